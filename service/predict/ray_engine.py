"""Many images on many machines, by Ray Data: decoding and inference as stages of one pipeline.

Both stages are Ray tasks, so that a machine that is lost, or joins, changes only the time. The
driver writes the results, so that each is there once.
"""

import logging
import os
import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice
from math import ceil
from time import monotonic
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from ray.exceptions import RayError, RayTaskError

from service.errors import PneumoniaError
from service.imaging.radiograph import Limits
from service.predict.decoder import Arguments, Decoder
from service.predict.engine import in_order
from service.predict.output import columns
from service.predict.parquet import ParquetOutput, to_table
from service.predict.progress import Progress
from service.predict.reading import Record, fetch
from service.predict.score import Options, Scorer
from service.predict.storage import find_files, load
from service.runtime.memory import bytes_a_worker
from service.settings import Settings

# inputs a pipeline is made for, which bounds what the driver remembers of them
_ROUND = 1_000_000
# images a task, at most: long against what it takes to start one, which leaves a core idle
_BATCH = 256
# so many tasks for each core, so that all end at about the same time
_TASKS_A_CORE = 8
# files that a task reads ahead of the one it decodes, since object stores answer late
_READERS = 8
_FAILURES_SHOWN = 20

Question = tuple[Settings, Options]


class RayFailed(PneumoniaError):
    """The cluster cannot be reached, or its nodes cannot score."""

    code = "ray"


def score_all(
    words: list[str],
    out: ParquetOutput,
    question: Question,
    scorer: Scorer,
    done: set[str],
    progress: Progress,
) -> dict[str, Any]:
    """Score all inputs that are not done, and write answers, quarantine and report.

    Args:
        words: see :func:`service.predict.storage.find_files`.
        out: where to.
        question: what the nodes load and ask.
        scorer: the same, loaded here.
        done: inputs that have a row already; those that are found are added.
        progress: counts.

    Returns:
        The report.

    Raises:
        RayFailed: the nodes cannot be used.
        InvalidRequest: a word names nothing that can be read.
    """
    run = _Run(out, question, scorer, progress)
    earlier = len(done)
    try:
        with _cluster():
            run.start_workers()
            new = _unique(find_files(words), done)
            while batch := dict(islice(new, _ROUND)):
                run.score(batch)
            run.finished = True
    except RayTaskError as error:
        cause = error.cause
        detail = cause.detail if isinstance(cause, PneumoniaError) else repr(cause)
        raise RayFailed(f"A node cannot score: {detail}") from error
    except RayError as error:
        raise RayFailed(f"Ray failed: {str(error).splitlines()[0]}") from error
    finally:
        report = run.report(earlier)
        if report["scored"] or report["finished"]:
            out.flush()
            out.write_report(report)
    return report


def _unique(files: Iterator[str], done: set[str]) -> Iterator[tuple[str, str]]:
    """Each input once: what the output calls it, and where it is, from any folder."""
    for file in files:
        name = file.encode("utf-8", "backslashreplace").decode()
        if name not in done:
            done.add(name)
            yield name, file if "://" in file else os.path.abspath(file)  # noqa: PTH100


@contextmanager
def _cluster() -> Iterator[None]:
    """Connect to the cluster that ``RAY_ADDRESS`` names, or start one on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # with no address Ray would look for whatever runs here already
    address = os.environ.get("RAY_ADDRESS") or "local"
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise RayFailed(f"Ray cannot be used: {error}. See RAY_ADDRESS.") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    try:
        yield
    finally:
        ray.shutdown()


class _Run:
    """One run and what it counts."""

    def __init__(
        self, out: ParquetOutput, question: Question, scorer: Scorer, progress: Progress
    ) -> None:
        self._out, self._question, self._scorer = out, question, scorer
        self._progress = progress
        settings, options = question
        spec = scorer.contract.input
        limits = Limits(max_pixels=settings.max_pixels)
        self._reader: Arguments = (spec.height, spec.width, spec.resampling, limits)
        self._paths = columns(
            scorer.contract.labels,
            prevalence=options.prevalence is not None,
            uids=options.uids,
            drawing=False,
        )
        self._decisions, self._problems = Counter[str](), Counter[str]()
        self._failures: list[dict[str, str]] = []
        self._started, self._start = datetime.now(UTC), monotonic()
        self._scoring: float | None = None
        self._cluster: dict[str, Any] = {}
        self.finished = False

    def start_workers(self) -> None:
        """Have each core load the model, and say so at once where that fails.

        A pipeline of one row starts the processes that Ray Data keeps beside those of the tasks, so
        that none of them starts while images are scored.

        Raises:
            RayFailed: the model is another one.
        """
        nodes = [node for node in ray.nodes() if node["Alive"]]
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        load = ray.remote(_load).options(scheduling_strategy="SPREAD")
        loaded = [load.remote(self._question, self._reader) for _ in range(cores)]
        ray.data.range(1).materialize()
        found = ray.get(loaded)
        if set(found) != {self._scorer.sha256}:
            raise RayFailed("The nodes have another model file than this machine.")
        self._cluster = {"nodes": len(nodes), "cores": cores, "ray": ray.__version__}
        self._scoring = monotonic()

    def score(self, files: dict[str, str]) -> None:
        """Score some inputs, each under its name."""
        size = min(_BATCH, ceil(len(files) / (_TASKS_A_CORE * self._cluster["cores"])))
        for table in self._pipeline(files, size):
            # each once, whatever was computed twice because a node was lost
            self._take(table.filter([files.pop(name, None) is not None for name in _names(table)]))
        if files:
            raise RayFailed(f"Ray lost {len(files)} inputs. Go on with --resume.")

    def _pipeline(self, files: dict[str, str], size: int) -> Iterable[pa.Table]:
        names = pa.array(files.keys(), pa.string())
        paths = pa.array(map(os.fsencode, files.values()), pa.binary())
        inputs = pa.table({"file": names, "path": paths})
        settings = self._question[0]
        whole = {"batch_size": None, "batch_format": "pyarrow"}
        dataset = (
            ray.data.from_blocks([inputs.slice(at, size) for at in range(0, len(inputs), size)])
            # The memory of an image of the largest size; it also tells the two stages apart, which
            # Ray Data would else make one of.
            .map_batches(
                partial(_read, arguments=self._reader, max_bytes=settings.max_bytes),
                memory=bytes_a_worker(settings),
                **whole,
            )
            .map_batches(partial(_infer, question=self._question, paths=self._paths), **whole)
        )
        found: Iterable[pa.Table] = dataset.iter_batches(**whole)
        return found

    def _take(self, table: pa.Table) -> None:
        refused = table.filter(pc.is_valid(table["problem"]))
        self._decisions.update(filter(None, table["decision"].to_pylist()))
        self._problems.update(refused["problem"].to_pylist())
        room = _FAILURES_SHOWN - len(self._failures)
        self._failures += refused.select(["file", "problem", "detail"]).slice(0, room).to_pylist()
        self._progress.add(len(table), len(refused))
        self._out.add(table)

    def report(self, earlier: int) -> dict[str, Any]:
        """What ``report.json`` says."""
        now = monotonic()
        scored = self._decisions.total() + self._problems.total()
        return {
            "finished": self.finished,
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": round(now - self._start, 3),
            "seconds_to_start": round((self._scoring or now) - self._start, 3),
            "images_a_second": round(scored / max(now - (self._scoring or now), 1e-6), 3),
            "scored_before": earlier,
            "scored": scored,
            "answered": self._decisions.total(),
            "quarantined": self._problems.total(),
            "decisions": dict(self._decisions),
            "problems": dict(self._problems),
            "failures": self._failures,
            **self._cluster,
            "model": {"name": self._scorer.contract.name, "sha256": self._scorer.sha256},
        }


def _names(table: pa.Table) -> list[str]:
    names: list[str] = table["file"].to_pylist()
    return names


# What follows runs on the nodes.


@cache
def _scorer(question: Question) -> Scorer:
    """One for all tasks of a worker process, which so loads the model once."""
    return Scorer(*question)


@cache
def _decoder(arguments: Arguments) -> Decoder:
    """One for all tasks of a worker process."""
    return Decoder(arguments)


def _load(question: Question, arguments: Arguments) -> str:
    """Load what both stages need; the SHA-256 of the model."""
    _decoder(arguments)
    return _scorer(question).sha256


def _read(inputs: pa.Table, arguments: Arguments, max_bytes: int) -> pa.Table:
    """The first stage: from names and paths to what the model sees, pickled."""
    decoder = _decoder(arguments)

    def fetched(row: tuple[str, bytes]) -> tuple[str, bytes | Record]:
        name, path = row
        return name, fetch(name, partial(load, os.fsdecode(path)), max_bytes)

    rows = zip(_names(inputs), inputs["path"].to_pylist(), strict=True)
    read = [pickle.dumps(decoder.read(*one)) for one in in_order(rows, fetched, _READERS)]
    return pa.table({"file": inputs["file"], "read": pa.array(read, pa.binary())})


def _infer(inputs: pa.Table, question: Question, paths: Mapping[str, tuple[str, ...]]) -> pa.Table:
    """The second stage: from what the model sees to the rows of the output."""
    scorer = _scorer(question)
    rows = zip(_names(inputs), inputs["read"].to_pylist(), strict=True)
    # the first stage wrote it, a moment ago
    return to_table((scorer.infer(name, pickle.loads(read)) for name, read in rows), paths)  # noqa: S301
