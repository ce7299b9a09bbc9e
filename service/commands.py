"""``pneumonia predict``: predict files without a server."""

import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from service.errors import InvalidRequest, PneumoniaError
from service.http.problems import problem_of
from service.http.request_context import new_request_id
from service.http.schemas import ModelAnswer, describe
from service.http.uploads import too_many_bytes
from service.inference.loading import load_predictor
from service.inference.predictor import Predictor
from service.settings import read_settings

if TYPE_CHECKING:
    from service.cli import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "predict", description="Predict image files without a server, one line of JSON each."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="image files")
    parser.add_argument("--operating-point", default="balanced", help="default: balanced")
    parser.add_argument("--model", type=Path, help="model file (PNEUMONIA_MODEL)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    """Print one JSON object a file; 1 when any of them is a problem."""
    settings = read_settings(model=arguments.model)
    predictor = load_predictor(settings)
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
    prediction = predictor.predict(data, predictor.model.contract.operating_point(point))
    contract = predictor.model.contract
    model = ModelAnswer(name=contract.name, version=contract.version, sha256=predictor.model.sha256)
    answer = describe(prediction, model, new_request_id(), 0.0, perf_counter() - start)
    return answer.model_dump()
