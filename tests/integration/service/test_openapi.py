"""The OpenAPI document says what the service does."""

import base64
import json
import re
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from service.http.problem_details import CODES, TABLE, Problem
from service.http.problems import OPEN_INFERENCE
from service.http.schemas import BatchAnswer, ModelDescription, PredictionAnswer
from tests.client import AppClient
from tests.images import image_bytes

SCHEMAS = "#/components/schemas/"
POSTS = ("/predict", "/predict/batch", "/explain")


@pytest.fixture(scope="module")
def document(client: AppClient) -> dict[str, Any]:
    result: dict[str, Any] = client.get("/openapi.json").json()
    return result


def test_bodies_are_documented(document: dict[str, Any]) -> None:
    for path in POSTS:
        content = document["paths"][path]["post"]["requestBody"]["content"]
        field = "files" if path.endswith("batch") else "file"
        form = content["multipart/form-data"]["schema"]["$ref"].rsplit("/", 1)[1]
        assert document["components"]["schemas"][form]["required"] == [field]
        raw = {"image/*", "application/dicom", "application/octet-stream"}
        assert content.keys() - {"multipart/form-data"} == (raw if field == "file" else set())


def test_every_problem_is_documented_with_an_example(document: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    codes = set()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if path.startswith(OPEN_INFERENCE):
                    continue
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
    model = f"{OPEN_INFERENCE}/models/{{name}}"
    version = f"{model}/versions/{{version}}"
    inference = {model, version, f"{model}/infer", f"{version}/infer"}
    assert keyed == {*POSTS, "/model", *inference}


def test_the_open_inference_protocol_is_documented_as_it_answers(
    client: AppClient, document: dict[str, Any]
) -> None:
    image = {"name": "bytes", "shape": [1], "datatype": "BYTES"}
    data = [base64.b64encode(image_bytes()).decode()]
    version = client.get("/model").json()["contract"]["version"]
    for path in ("/models/{name}", "/models/{name}/versions/{version}"):
        place = f"{OPEN_INFERENCE}{path}".format(name="tiny", version=version)
        other = f"{OPEN_INFERENCE}{path}".format(name="other", version=version)
        for end, method, body in (
            ("", "get", None),
            ("/ready", "get", None),
            ("/infer", "post", {"inputs": [{**image, "data": data}]}),
        ):
            operation = document["paths"][f"{OPEN_INFERENCE}{path}{end}"][method]
            answer = client.request(method, f"{place}{end}", json=body)
            refused = client.request(method, f"{other}{end}", json=body)
            for response in (answer, refused):
                content = operation["responses"][str(response.status_code)]["content"]
                name = content["application/json"]["schema"]["$ref"].removeprefix(SCHEMAS)
                schema = document["components"]["schemas"][name]
                assert (
                    set(schema["required"]) <= response.json().keys() <= set(schema["properties"])
                )
            assert (answer.status_code, refused.status_code) == (200, 404)


def test_every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own(
    document: dict[str, Any],
) -> None:
    text = json.dumps(document)
    references = set(re.findall(rf'"{SCHEMAS}([^"]+)"', text))
    assert references <= document["components"]["schemas"].keys()
    assert "HTTPValidationError" not in text
    names = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(set(names)) == len(names)
    assert {"predict", "predict_batch", "explain", "model", "health"} < set(names)
