"""The Open Inference Protocol, spoken by the client that Triton's users have."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from service.inference.model import OnnxModel
from tests.images import image_bytes
from tests.process import ServiceProcess
from tests.tiny_model import SIZE
from tests.waiting import PATIENCE_SECONDS

BRIGHT = image_bytes(grey=170)
IMAGES = np.random.default_rng(5).integers(60, 200, (3, SIZE, SIZE, 1), np.uint8)


@pytest.fixture
def triton(tiny_service: ServiceProcess) -> Iterator[InferenceServerClient]:
    client = InferenceServerClient(f"127.0.0.1:{tiny_service.port}")
    yield client
    client.close()


def tensor(images: NDArray[np.uint8], binary: bool = True) -> InferInput:
    made = InferInput("image", list(images.shape), "UINT8")
    made.set_data_from_numpy(images, binary_data=binary)
    return made


def encoded(data: bytes) -> InferInput:
    made = InferInput("bytes", [1], "BYTES")
    made.set_data_from_numpy(np.array([data], np.object_), binary_data=True)
    return made


def test_server_and_model(triton: InferenceServerClient, tiny_model: Path) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("tiny")
    assert triton.is_model_ready("tiny", "1.0")
    assert not triton.is_model_ready("huge")
    assert not triton.is_model_ready("tiny", "2.0")
    assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = triton.get_model_metadata("tiny")
    assert (metadata["name"], metadata["versions"]) == ("tiny", ["1.0"])
    inputs = {entry["name"]: (entry["datatype"], entry["shape"]) for entry in metadata["inputs"]}
    assert inputs == {"image": ("UINT8", [-1, SIZE, SIZE, 1]), "bytes": ("BYTES", [1])}
    outputs = [entry["name"] for entry in metadata["outputs"]]
    image_outputs = ["decision", "probability", "subtype", "warnings"]
    assert outputs == ["probabilities", "evidence", "distance", *image_outputs]
    assert OnnxModel(tiny_model).has_evidence


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_tensors_in_and_the_graphs_outputs_out(
    triton: InferenceServerClient, tiny_model: Path, binary_in: bool, binary_out: bool
) -> None:
    expected = OnnxModel(tiny_model).run(IMAGES)
    names = ("distance", "probabilities", "evidence")
    outputs = [InferRequestedOutput(name, binary_data=binary_out) for name in names]
    result = triton.infer("tiny", [tensor(IMAGES, binary_in)], outputs=outputs, request_id="7")
    assert result.get_response()["id"] == "7"
    assert [entry["name"] for entry in result.get_response()["outputs"]] == list(names)
    for name in names:
        assert np.allclose(result.as_numpy(name), getattr(expected, name), atol=1e-6)
        assert result.as_numpy(name).shape == getattr(expected, name).shape


def test_all_outputs_when_none_are_named(triton: InferenceServerClient) -> None:
    result = triton.infer("tiny", [tensor(IMAGES)], model_version="1.0")
    assert result.as_numpy("probabilities").shape == (3, 3)
    assert result.as_numpy("evidence").shape == (3, 3, 4, 4)
    assert result.as_numpy("distance").shape == (3,)


def test_an_encoded_image_in_and_the_decision_out(
    triton: InferenceServerClient, tiny_service: ServiceProcess
) -> None:
    answer = tiny_service.post("/predict", content=BRIGHT).json()
    for outputs in (None, [InferRequestedOutput("decision", binary_data=False)]):
        result = triton.infer("tiny", [encoded(BRIGHT)], outputs=outputs)
        (decision,) = result.as_numpy("decision")
        assert decision in (b"pneumonia", "pneumonia")
    result = triton.infer("tiny", [encoded(BRIGHT)])
    assert result.as_numpy("probability") == pytest.approx([answer["probability"]])
    probabilities = list(answer["probabilities"].values())
    assert result.as_numpy("probabilities")[0] == pytest.approx(probabilities)
    assert result.as_numpy("distance") == pytest.approx([answer["input_check"]["distance"]])
    assert result.as_numpy("subtype").tolist() == [answer["subtype"].encode()]
    assert result.as_numpy("warnings").tolist() == []
    small = triton.infer("tiny", [encoded(image_bytes(size=(40, 40)))])
    assert small.as_numpy("warnings").tolist() == [b"upscaled"]
    dark = triton.infer("tiny", [encoded(image_bytes(grey=70))])
    assert dark.as_numpy("subtype").tolist() == [b""]


def test_the_operating_point_is_a_parameter(triton: InferenceServerClient) -> None:
    image = [encoded(image_bytes(grey=110))]
    for point, decision in (("balanced", b"normal"), ("screening", b"pneumonia")):
        result = triton.infer("tiny", image, parameters={"operating_point": point})
        assert result.as_numpy("decision")[0] == decision


@pytest.mark.parametrize(
    ("inputs", "says", "status"),
    [
        ([encoded(image_bytes(grey=255))], "too unlike", "422"),
        ([encoded(b"no image")], "no known image type", "415"),
        ([encoded(b"")], "empty", "400"),
        ([tensor(IMAGES[:, :32])], "UINT8 [N, 64, 64, 1]", "422"),
        ([tensor(np.zeros((33, SIZE, SIZE, 1), np.uint8))], "At most 32", "413"),
        ([tensor(IMAGES), encoded(BRIGHT)], "at most 1 item", "422"),
    ],
    ids=["refused", "no image", "empty", "shape", "many", "both"],
)
def test_errors_are_the_protocols(
    triton: InferenceServerClient, inputs: list[InferInput], says: str, status: str
) -> None:
    with pytest.raises(InferenceServerException) as failed:
        triton.infer("tiny", inputs)
    assert says in failed.value.message()
    assert failed.value.status() == status


def test_unknown_models_and_outputs(triton: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"The model here is tiny, version 1\.0"):
        triton.infer("huge", [tensor(IMAGES)])
    with pytest.raises(InferenceServerException, match="The model here is tiny"):
        triton.get_model_metadata("tiny", "3")
    with pytest.raises(InferenceServerException, match="outputs for this input are"):
        triton.infer("tiny", [tensor(IMAGES)], outputs=[InferRequestedOutput("decision")])
    with pytest.raises(InferenceServerException, match="classification"):
        triton.infer(
            "tiny",
            [tensor(IMAGES)],
            outputs=[InferRequestedOutput("probabilities", class_count=2)],
        )


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_requests_may_be_compressed(triton: InferenceServerClient, algorithm: str) -> None:
    plain = triton.infer("tiny", [tensor(IMAGES)]).as_numpy("probabilities")
    packed = triton.infer("tiny", [tensor(IMAGES)], request_compression_algorithm=algorithm)
    assert np.array_equal(packed.as_numpy("probabilities"), plain)


def test_every_error_below_v2_is_the_protocols(tiny_service: ServiceProcess) -> None:
    with httpx.Client(base_url=tiny_service.url, timeout=PATIENCE_SECONDS) as client:
        for response in (
            client.get("/v2/nothing"),
            client.get("/v2/models/tiny/infer"),
            client.post("/v2/models/tiny/infer", content=b"{"),
            client.post("/v2/models/tiny/infer", content=b"\xff"),
        ):
            assert response.status_code >= 400
            assert response.json().keys() == {"error"}
            assert response.headers["x-request-id"]
