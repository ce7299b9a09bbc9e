"""Bodies of the Open Inference Protocol, whole and broken."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequest, PneumoniaError, TooLarge
from service.http.open_inference import (
    LARGEST_JSON,
    Inference,
    Tensor,
    read_request,
    write_answer,
)

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4, 1)


def image(**changes: Any) -> dict[str, Any]:
    return {
        "name": "image",
        "shape": [2, 3, 4, 1],
        "datatype": "UINT8",
        "data": IMAGES.tolist(),
        **changes,
    }


def body(tensor: dict[str, Any], data: bytes = b"", **changes: Any) -> tuple[bytes, int | None]:
    text = json.dumps({"inputs": [tensor], **changes}).encode()
    return text + data, len(text) if data else None


def read(tensor: dict[str, Any], data: bytes = b"", **changes: Any) -> Inference:
    return read_request(*body(tensor, data, **changes), height=3, width=4)


@pytest.mark.parametrize("data", [IMAGES.tolist(), IMAGES.ravel().tolist()])
def test_numbers_nested_or_flat(data: Any) -> None:
    images = read(image(data=data)).images
    assert isinstance(images, np.ndarray)
    assert np.array_equal(images, IMAGES)
    assert images.dtype == np.uint8


def test_binary_pixels() -> None:
    tensor = image(data=None, parameters={"binary_data_size": 24})
    assert np.array_equal(read(tensor, IMAGES.tobytes()).images, IMAGES)


def encoded(size: int, **changes: Any) -> dict[str, Any]:
    return {
        "name": "bytes",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": size},
        **changes,
    }


def test_binary_bytes() -> None:
    assert read(encoded(7), struct.pack("<I", 3) + b"abc").images == b"abc"


@pytest.mark.parametrize(
    ("tensor", "data"),
    [
        (image(name="picture"), b""),
        (image(datatype="FP32"), b""),
        (image(shape=[2, 3, 4]), b""),
        (image(shape=[2, 4, 3, 1]), b""),
        (image(shape=[0, 3, 4, 1], data=[]), b""),
        (image(shape=[-2, 3, 4, 1]), b""),
        (image(shape=[]), b""),
        (image(shape=[10**30, 3, 4, 1]), b""),
        (image(data=[1, 2, 3]), b""),
        (image(data=[[1], [2, 3]]), b""),
        (image(data=[256] * 24), b""),
        (image(data=[-1] * 24), b""),
        (image(data=[0.5] * 24), b""),
        (image(data=[10**30] * 24), b""),
        (image(data=["1"] * 24), b""),
        (image(data=[None] * 24), b""),
        (image(data=[True] * 24), b""),
        (image(data={}), b""),
        (image(data=None), b""),
        (image(data=None, parameters={"binary_data_size": 23}), bytes(24)),
        (image(data=None, parameters={"binary_data_size": 24}), bytes(23)),
        (image(data=None, parameters={"binary_data_size": -1}), bytes(24)),
        (image(data=None, parameters={"shared_memory_region": "a"}), b""),
        (encoded(7, datatype="UINT8"), b"\3\0\0\0abc"),
        (encoded(7, shape=[2]), b"\3\0\0\0abc"),
        (encoded(7), b"\4\0\0\0abc"),
        (encoded(6), b"\3\0\0\0abc"),
        (encoded(2), b"\0\0"),
        (encoded(7, parameters={}, data=["abc"]), b""),
    ],
)
def test_tensors_that_are_none(tensor: dict[str, Any], data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read(tensor, data)


def test_json_that_is_longer_than_the_body_or_too_long() -> None:
    text, _ = body(image())
    with pytest.raises(InvalidRequest, match="more than the body has"):
        read_request(text, len(text) + 1, 3, 4)
    with pytest.raises(TooLarge):
        read_request(b" " * (LARGEST_JSON + 1), None, 3, 4)


@given(st.binary(max_size=50) | st.text().map(str.encode) | st.just(b"[" * 10_000))
def test_any_bytes_are_refused_in_words(text: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_request(text, None, 3, 4)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(list(image())), inner),
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    for document in (value, {"inputs": [value]}, {"inputs": [image(data=value)]}):
        try:
            read_request(json.dumps(document).encode(), None, 3, 4)
        except PneumoniaError as error:
            assert error.detail


TENSORS: dict[str, Tensor] = {
    "scores": np.array([[0.25, 0.75]], np.float32),
    "decision": [b"normal"],
}


def test_answers_in_json() -> None:
    request = read(image(), id="a", outputs=[{"name": "decision"}, {"name": "scores"}])
    text, length = write_answer({"model_name": "m"}, TENSORS, request)
    assert length is None
    assert json.loads(text) == {
        "model_name": "m",
        "id": "a",
        "outputs": [
            {"name": "decision", "shape": [1], "datatype": "BYTES", "data": ["normal"]},
            {"name": "scores", "shape": [1, 2], "datatype": "FP32", "data": [0.25, 0.75]},
        ],
    }


def test_answers_in_binary() -> None:
    request = read(image(), parameters={"binary_data_output": True})
    text, length = write_answer({}, TENSORS, request)
    assert length is not None
    sizes = [
        entry["parameters"]["binary_data_size"] for entry in json.loads(text[:length])["outputs"]
    ]
    assert sizes == [8, 10]
    assert np.frombuffer(text[length : length + 8], "<f4").tolist() == [0.25, 0.75]
    assert text[length + 8 :] == b"\6\0\0\0normal"


def test_what_an_output_says_goes_before_what_the_request_says() -> None:
    outputs = [{"name": "scores", "parameters": {"binary_data": False}}, {"name": "decision"}]
    request = read(image(), parameters={"binary_data_output": True}, outputs=outputs)
    text, length = write_answer({}, TENSORS, request)
    scores, decision = json.loads(text[:length])["outputs"]
    assert ("data" in scores, "data" in decision) == (True, False)


def test_outputs_that_are_not_there() -> None:
    request = read(image(), outputs=[{"name": "dream"}])
    with pytest.raises(InvalidRequest, match="scores, decision"):
        write_answer({}, TENSORS, request)
