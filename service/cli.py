"""The one command, ``pneumonia``. Only the code of the command that is asked for is imported."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from service import __version__
from service.errors import PneumoniaError

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


@dataclass(frozen=True)
class Command:
    """One command and where its code is.

    The module's ``register(subparsers)`` adds the command's parser, whose default ``run`` is a
    function of the parsed arguments that returns the exit code.

    Attributes:
        name: what is typed.
        help: one line for ``pneumonia --help``.
        module: where ``register`` is.
        extra: what must be installed for it; None where the packages of the service suffice.
        actions: what it can do, the first where none is named; empty for a command that does one
            thing.
    """

    name: str
    help: str
    module: str
    extra: str | None = None
    actions: tuple[str, ...] = ()

    def with_action(self, words: list[str]) -> list[str]:
        """The command line with an action in it."""
        if not self.actions or words[1:2] in [["-h"], ["--help"], *([one] for one in self.actions)]:
            return words
        return [self.name, self.actions[0], *words[1:]]


COMMANDS = (
    Command("serve", "serve the model over HTTP", "service.process.start"),
    Command("predict", "predict image files without a server", "service.predict.command"),
    Command("compare", "say what would change with another model file", "service.commands.compare"),
    Command(
        "baseline",
        "freeze what a site's images are like, to notice drift",
        "service.commands.baseline",
    ),
    Command(
        "data",
        "check labelled images, look for shortcuts in them, or download some",
        "training.commands.data",
        extra="training",
        actions=("check", "shortcuts", "download"),
    ),
    Command(
        "pacs", "a DICOM node that files answers in a PACS", "service.pacs.commands", extra="pacs"
    ),
    Command("train", "train a network", "training.commands.train", extra="training"),
    Command("lungs", "train the lung localiser", "training.commands.lungs", extra="training"),
    Command(
        "evaluate",
        "score a model on labelled images",
        "training.commands.evaluate",
        extra="training",
    ),
    Command(
        "calibrate",
        "recalibrate a model file on your own labelled images",
        "export.commands.calibrate",
        extra="training",
    ),
    Command(
        "export",
        "make the model file that is served",
        "export.commands.export",
        extra="training",
    ),
)


INTERRUPTED = 130  # as shells have it: 128 and the number of SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; by default the process's own.

    Returns:
        The exit code: 0 when all went well, ``INTERRUPTED`` after Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    asked = next((command for command in COMMANDS if words[:1] == [command.name]), None)
    parser = argparse.ArgumentParser(
        prog="pneumonia", description="Reads chest X-rays for pneumonia. Not a medical device."
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    try:
        for command in COMMANDS:
            if command is asked:
                importlib.import_module(command.module).register(subparsers)
            else:
                subparsers.add_parser(command.name, help=command.help)
        arguments = parser.parse_args(asked.with_action(words) if asked else words)
        code: int = arguments.run(arguments)
    except PneumoniaError as error:
        print(f"pneumonia {words[0]}: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\npneumonia {words[0]}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except ModuleNotFoundError as error:
        if asked is None or asked.extra is None:
            raise
        print(f"pneumonia {asked.name}: {_missing(asked, error)}", file=sys.stderr)
        return 1
    return code


def _missing(command: Command, error: ModuleNotFoundError) -> str:
    package = command.module.partition(".")[0]
    if error.name in (package, command.module):
        return f"this command comes with a checkout of the repository, which has {package}/"
    return (
        f"the package {error.name} is missing; install the {command.extra} extra: "
        f"pip install -r requirements/{command.extra}.txt"
    )
