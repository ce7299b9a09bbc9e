"""``pneumonia serve``.

The model is loaded on a thread of its own while the web framework is imported: each takes about
half of the time until the service is ready.
"""

import argparse
import gc
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from service.process.logs import configure_logging
from service.settings import Settings, read_settings

if TYPE_CHECKING:
    from service.cli import Subparsers
    from service.inference.predictor import Predictor


def register(subparsers: "Subparsers") -> None:
    """Add the command; all but its arguments is set by the environment."""
    parser = subparsers.add_parser("serve", description="Serve the model over HTTP.")
    parser.add_argument("--host", help="address to listen on (PNEUMONIA_HOST)")
    parser.add_argument("--port", type=int, help="port, 0 for any free one (PNEUMONIA_PORT)")
    parser.add_argument("--model", type=Path, help="model file (PNEUMONIA_MODEL)")
    parser.set_defaults(run=serve)


def serve(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    settings = read_settings(host=arguments.host, port=arguments.port, model=arguments.model)
    configure_logging(settings.log_level)
    with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:
        predictor = pool.submit(_load, settings)
        from service.process.server import serve as run_server

        # what is imported stays: a search for garbage in it, several times a second, is time lost
        gc.freeze()
        finished = run_server(settings, predictor)
    if finished:
        return 0
    # threads that are still at work would hold the process for as long as they like
    logging.shutdown()
    os._exit(1)


def _load(settings: Settings) -> "Predictor":
    from service.inference.loading import load_predictor

    return load_predictor(settings)
