"""The commands that need nothing but the service: ``serve`` and ``predict``."""

import argparse
import json
import logging
import os
from pathlib import Path
from time import perf_counter
from typing import Any

from pydantic import ValidationError

from service.errors import InvalidRequest, PneumoniaError, StartError
from service.forms import too_many_bytes
from service.imaging.radiograph import Limits
from service.logs import configure_logging
from service.model import OnnxModel
from service.predictor import Predictor
from service.problems import problem_of
from service.schemas import ModelAnswer, describe
from service.settings import Settings
from service.trace import new_request_id


def serve_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``serve`` takes; everything else is a setting of the environment."""
    parser.add_argument("--host", help="address to listen on (PNEUMONIA_HOST)")
    parser.add_argument("--port", type=int, help="port, 0 for any free one (PNEUMONIA_PORT)")
    parser.add_argument("--model", type=Path, help="model file (PNEUMONIA_MODEL)")


def serve(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    # imported here, since `predict` needs no web server
    from service.server import serve as run_server

    settings = _settings(host=arguments.host, port=arguments.port, model=arguments.model)
    configure_logging(settings.log_level)
    if run_server(settings):
        return 0
    # threads that are still at work would hold the process for as long as they like
    logging.shutdown()
    os._exit(1)


def predict_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``predict`` takes."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="image files")
    parser.add_argument("--operating-point", default="balanced", help="default: balanced")
    parser.add_argument("--model", type=Path, help="model file (PNEUMONIA_MODEL)")


def predict(arguments: argparse.Namespace) -> int:
    """Print one JSON object a file; 1 when any of them is a problem."""
    settings = _settings(model=arguments.model)
    predictor = Predictor(
        OnnxModel(settings.model, settings.model_sha256),
        Limits(max_pixels=settings.max_pixels),
        refuse=settings.input_check == "refuse",
    )
    failed = False
    for path in arguments.files:
        try:
            answer = _predict(predictor, path, arguments.operating_point, settings.max_bytes)
        except PneumoniaError as error:
            failed = True
            answer = problem_of(error, new_request_id()).model_dump()
        print(json.dumps({"file": str(path), **answer}))
    return int(failed)


def _predict(predictor: Predictor, path: Path, point: str, max_bytes: int) -> dict[str, Any]:
    start = perf_counter()
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= max_bytes else b""
    except OSError as error:
        raise InvalidRequest(f"The file cannot be read: {error.strerror}.") from error
    if size > max_bytes:
        raise too_many_bytes(max_bytes)
    prediction = predictor.predict(data, point)
    contract = predictor.model.contract
    model = ModelAnswer(name=contract.name, version=contract.version, sha256=predictor.model.sha256)
    answer = describe(prediction, model, new_request_id(), 0.0, perf_counter() - start)
    return answer.model_dump()


def _settings(**given: Any) -> Settings:
    """The settings of the environment, but for those given on the command line.

    Raises:
        StartError: one of them is wrong.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise StartError(f"the setting PNEUMONIA_{name} is wrong: {first['msg']}") from None
