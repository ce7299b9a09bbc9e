"""The OpenAPI document says what the service does."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel

from service.http.problems import CODES, TABLE, Problem
from service.http.schemas import BatchAnswer, ModelDescription, PredictionAnswer
from tests.client import AppClient
from tests.images import image_bytes

POSTS = ("/predict", "/predict/batch", "/explain")


@pytest.fixture(scope="module")
def document(client: AppClient) -> dict[str, Any]:
    result: dict[str, Any] = client.get("/openapi.json").json()
    return result


def test_bodies_are_documented(document: dict[str, Any]) -> None:
    for path in POSTS:
        content = document["paths"][path]["post"]["requestBody"]["content"]
        field = "files" if path.endswith("batch") else "file"
        assert content["multipart/form-data"]["schema"]["required"] == [field]
        raw = {"image/*", "application/dicom", "application/octet-stream"}
        assert content.keys() - {"multipart/form-data"} == (raw if field == "file" else set())


def test_every_problem_is_documented_with_an_example(document: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    codes = set()
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if not status.startswith("2"):
                    content = response["content"]["application/problem+json"]
                    assert content["schema"] == problem
                    for code, example in content["examples"].items():
                        assert Problem.model_validate(example["value"]).code == code
                        assert TABLE[code][0] == int(status)
                        codes.add(code)
    # these belong to no operation
    assert set(CODES) - codes == {"bad_request", "not_found", "method_not_allowed", "internal"}
    described = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert described == list(get_args(Problem.model_fields["code"].annotation))


def test_answers_are_as_documented(client: AppClient, document: dict[str, Any]) -> None:
    answers: list[tuple[type[BaseModel], Any]] = [
        (PredictionAnswer, client.post("/predict", files={"file": image_bytes()}).json()),
        (BatchAnswer, client.post("/predict/batch", files={"files": image_bytes()}).json()),
        (ModelDescription, client.get("/model").json()),
        (Problem, client.post("/predict", files={"file": b"x"}).json()),
    ]
    for model, answer in answers:
        schema = document["components"]["schemas"][model.__name__]
        assert set(schema["required"]) <= answer.keys() <= set(schema["properties"])
        model.model_validate(answer)
    for example in document["components"]["schemas"]["PredictionAnswer"]["examples"]:
        assert example.keys() == answers[0][1].keys()
        PredictionAnswer.model_validate(example)


def test_keys_are_documented_where_they_are_asked_for(document: dict[str, Any]) -> None:
    keyed = {
        path
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if operation.get("security")
    }
    assert keyed == {*POSTS, "/model"}
