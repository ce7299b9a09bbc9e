"""The one command, ``pneumonia``. What a command needs is imported only when it is asked for."""

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

    The module has ``NAME_arguments(parser)``, which adds the command's arguments, and
    ``NAME(arguments)``, which runs it and returns the exit code.

    Attributes:
        name: what is typed.
        help: one line.
        module: where its functions are.
        extra: what must be installed for it, None when serving's own packages do.
    """

    name: str
    help: str
    module: str
    extra: str | None = None


COMMANDS = (
    Command("serve", "serve the model over HTTP", "service.process.start"),
    Command("predict", "judge image files without a server", "service.commands"),
    Command(
        "data", "check a data folder and show what training sees", "training.commands", "training"
    ),
    Command("train", "train a network", "training.commands", "training"),
    Command("evaluate", "score a model on a labelled folder", "training.commands", "training"),
    Command(
        "calibrate", "refit a model to labelled images of your own", "export.commands", "training"
    ),
    Command("export", "make the model file that is served", "export.commands", "training"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; by default the process's own.

    Returns:
        The exit code: 0 when all went well.
    """
    parser = argparse.ArgumentParser(
        prog="pneumonia", description="Reads chest X-rays for pneumonia. Not a medical device."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    words = list(sys.argv[1:] if argv is None else argv)
    for command in COMMANDS:
        if words[:1] == [command.name] == ["serve"]:
            importlib.import_module(command.module).register(commands)
            continue
        entry = commands.add_parser(command.name, help=command.help, description=command.help)
        if words[:1] == [command.name]:
            try:
                module = importlib.import_module(command.module)
            except ModuleNotFoundError as error:
                print(f"pneumonia {command.name}: {_missing(command, error)}", file=sys.stderr)
                return 1
            getattr(module, f"{command.name}_arguments")(entry)
            entry.set_defaults(run=getattr(module, command.name))
    arguments = parser.parse_args(words)
    try:
        code: int = arguments.run(arguments)
    except PneumoniaError as error:
        print(f"pneumonia {words[0]}: {error.detail}", file=sys.stderr)
        return 1
    return code


def _missing(command: Command, error: ModuleNotFoundError) -> str:
    package = command.module.partition(".")[0]
    if error.name in (package, command.module):
        return f"this command comes with a checkout of the repository, which has {package}/"
    if command.extra is None:
        raise error
    return (
        f"the package {error.name} is missing; install the {command.extra} extra: "
        f"pip install -r requirements/{command.extra}.txt"
    )
