"""The command: arguments in, exit code out. Nothing slow is imported before they are known good."""

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import TextIO

    from service.cli import Subparsers
    from service.predict.output import Lines
    from service.predict.score import Options, Scorer
    from service.settings import Settings

_BROKEN_PIPE = 128 + 13  # as the shell has it for a program that SIGPIPE ended
_INTERRUPTED = 128 + 2

_EXIT_CODES = """exit codes:
  0    every image was answered, whatever the answer
  1    some images were not answered (see their lines), none was found, or the model is unusable
  2    the command line is wrong; nothing was done
  130  interrupted; the lines written so far are whole, and --resume goes on from them
  141  the reader of the output closed it
"""


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "predict",
        description="Predict image files without a server: one line of JSON, or one CSV row, for "
        "each image.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="image files; folders, with all images below them; patterns such as 'in/**/*.dcm'; "
        "or - for an image on standard input; for --engine ray also URLs and Parquet manifests",
    )
    parser.add_argument("--csv", action="store_true", help="rows for a spreadsheet, not JSON lines")
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local: the cores of this machine; ray: a Ray cluster, see RAY_ADDRESS",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write there, not to standard output; with --engine ray, a folder or its URL",
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue --out: skip images that it has a line for"
    )
    parser.add_argument(
        "--explain", type=Path, metavar="DIR", help="draw the evidence of each answer into DIR"
    )
    parser.add_argument("--operating-point", default="balanced", help="default: balanced")
    parser.add_argument(
        "--prevalence",
        type=_share,
        metavar="SHARE",
        help="of pneumonia among your patients, such as 0.1: also say what the answer means there",
    )
    parser.add_argument(
        "--uids", action="store_true", help="name study, series and instance of DICOM files"
    )
    parser.add_argument("--model", type=Path, help="model file (PNEUMONIA_MODEL)")
    parser.add_argument("--quiet", action="store_true", help="show no progress on standard error")
    parser.set_defaults(run=lambda arguments: _run(parser, arguments))


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("it is a share of patients, above 0 and below 1")
    return value


def _run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    _check(parser, arguments)
    from service.predict.score import Options, Scorer
    from service.runtime.cgroups import memory_limit
    from service.runtime.memory import most_workers
    from service.settings import read_settings

    settings = read_settings(model=arguments.model)
    options = Options(
        arguments.operating_point, arguments.prevalence, arguments.uids, arguments.explain
    )
    scorer = Scorer(settings, options)
    try:
        if arguments.engine == "ray":
            return _answer_by_ray(arguments, settings, options, scorer)
        return _answer(arguments, scorer, most_workers(settings, memory_limit()))
    except BrokenPipeError:
        # what is still buffered has no reader; nor is there anybody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        scorer.close()


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Usage errors, before the model is loaded."""
    if arguments.resume and arguments.out is None:
        parser.error("--resume needs --out, the output to go on with")
    if arguments.engine == "ray":
        if arguments.out is None:
            parser.error("--engine ray needs --out DIR, a folder for its Parquet files")
        if arguments.csv or arguments.explain:
            parser.error("--csv and --explain are for the local engine")
        if "-" in arguments.paths:
            parser.error("standard input (-) is for the local engine")
        if _holds_something(arguments.out) and not arguments.resume:
            parser.error(f"{arguments.out} is not empty; add --resume to go on with it")
    elif arguments.out and Path(arguments.out).exists() and not arguments.resume:
        parser.error(f"{arguments.out} exists; add --resume to go on with it, or name another")
    if arguments.paths.count("-") > 1:
        parser.error("standard input (-) can be read once only")
    if arguments.explain:
        try:
            arguments.explain.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"--explain {arguments.explain}: {error.strerror}")


def _holds_something(folder: str) -> bool:
    """Whether an output of the Ray engine has been begun.

    Raises:
        InvalidRequest: the packages for the engine are missing.
    """
    from service.errors import InvalidRequest

    try:
        import ray.data  # noqa: F401

        from service.predict.parquet import ParquetOutput
    except ModuleNotFoundError as error:
        raise InvalidRequest(
            f"the package {error.name} is missing; install the ray extra: "
            "pip install -r requirements/ray.txt"
        ) from None
    return ParquetOutput(folder).exists()


def _answer_by_ray(
    arguments: argparse.Namespace, settings: "Settings", options: "Options", scorer: "Scorer"
) -> int:
    from service.predict.parquet import ParquetOutput
    from service.predict.progress import Progress
    from service.predict.ray_engine import score_all

    out = ParquetOutput(arguments.out)
    done = out.read_earlier(scorer.sha256) if arguments.resume else set[str]()
    progress = Progress(sys.stderr, quiet=arguments.quiet)
    # nodes work in other folders
    settings = settings.model_copy(update={"model": settings.model.absolute()})
    report = score_all(arguments.paths, out, (settings, options), scorer, done, progress)
    progress.close()
    return int(report["quarantined"] > 0 or not report["scored"] + report["scored_before"])


def _answer(arguments: argparse.Namespace, scorer: "Scorer", threads: int) -> int:
    from service.predict.engine import in_order
    from service.predict.inputs import find_jobs
    from service.predict.output import CsvLines, JsonLines
    from service.predict.progress import Progress

    lines: Lines = JsonLines()
    if arguments.csv:
        lines = CsvLines(
            scorer.contract.labels,
            prevalence=arguments.prevalence is not None,
            uids=arguments.uids,
            drawing=arguments.explain is not None,
        )
    done = _done(arguments, lines, scorer.sha256)
    jobs = (job for job in find_jobs(arguments.paths) if lines.name(job.file) not in done)
    progress = Progress(sys.stderr, quiet=arguments.quiet)
    with _open(arguments.out) as stream:
        if not (arguments.out and stream.tell()):
            stream.write(lines.head())
        for record in in_order(jobs, scorer, threads):
            stream.write(lines.line(record))
            stream.flush()
            progress.count(record)
    progress.close()
    return int(progress.unanswered > 0 or not (progress.done or done))


def _done(arguments: argparse.Namespace, lines: "Lines", sha256: str) -> set[str]:
    """What has a line already, of this same model."""
    from service.predict.output import ResumeError, read_earlier

    if not arguments.resume:
        return set()
    done, model = read_earlier(Path(arguments.out), lines)
    if model not in (None, sha256):
        raise ResumeError(
            f"{arguments.out} holds answers of another model. Name another file by --out."
        )
    return done


def _open(out: str | None) -> "AbstractContextManager[TextIO]":
    if out is None:
        return nullcontext(sys.stdout)
    try:
        return Path(out).open("a", encoding="utf-8", newline="")
    except OSError as error:
        from service.errors import InvalidRequest

        raise InvalidRequest(f"{out} cannot be written: {error.strerror}.") from error
