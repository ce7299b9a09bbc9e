"""Requests and answers of the Open Inference Protocol, version 2, with its binary extension.

A body is JSON, or JSON followed by the tensors' bytes; a header then says where the JSON ends.
https://github.com/kserve/open-inference-protocol
"""

import base64
import binascii
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from service.errors import InvalidRequest, TooLarge
from service.http.open_inference_schemas import InferenceRequest, RequestInput

# A number takes up to 30 times more memory as an object than in JSON; large tensors go in binary.
LARGEST_JSON = 4 * 2**20

JSON_LENGTH = "Inference-Header-Content-Length"

_LENGTH = struct.Struct("<I")

Tensor: TypeAlias = NDArray[np.float32] | list[bytes]


@dataclass(frozen=True)
class Inference:
    """What is to be inferred.

    Attributes:
        id: the client's name for the request.
        images: uint8 ``[N, height, width, 1]``, or one encoded image.
        operating_point: the rule that decides on an encoded image.
        prevalence: the one that the answer for it is adjusted to; None for none.
        outputs: names that are asked for, and whether in binary; None for all, in ``binary``.
        binary: whether outputs that say nothing else go in binary.
    """

    id: str | None
    images: NDArray[np.uint8] | bytes
    operating_point: str
    prevalence: float | None
    outputs: Mapping[str, bool] | None
    binary: bool


def read_request(body: bytes, json_length: int | None, height: int, width: int) -> Inference:
    """Read the body of an inference request.

    Args:
        body: all of it.
        json_length: bytes of JSON at its beginning; None when it is nothing else.
        height: rows of the model's input.
        width: columns of the model's input.

    Raises:
        InvalidRequest: it does not keep to the protocol, or asks for what this service has not.
        TooLarge: too much JSON.
    """
    if json_length is not None and json_length > len(body):
        raise InvalidRequest("Inference-Header-Content-Length is more than the body has.")
    text = body[:json_length]
    if len(text) > LARGEST_JSON:
        raise TooLarge("Tensors of this size are accepted as binary data only.")
    try:
        request = InferenceRequest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        binary = first["type"] == "json_invalid" and json_length is None
        advice = f" Where binary data follow the JSON, send {JSON_LENGTH}." if binary else ""
        raise InvalidRequest(f"{place}: {first['msg']}.{advice}") from None
    asked = [request.parameters, *(output.parameters for output in request.outputs)]
    (tensor,) = request.inputs
    if any(one.shared_memory_region is not None for one in (tensor.parameters, *asked)):
        raise InvalidRequest("Shared memory is not offered. Send the tensors.")
    if any(one.classification is not None for one in asked):
        raise InvalidRequest("The classification extension is not offered.")
    binary = request.parameters.binary_data_output
    outputs = {
        output.name: binary
        if output.parameters.binary_data is None
        else output.parameters.binary_data
        for output in request.outputs
    }
    data = b"" if json_length is None else body[json_length:]
    images = (
        _encoded(tensor, data) if tensor.name == "bytes" else _pixels(tensor, data, height, width)
    )
    return Inference(
        request.id,
        images,
        request.parameters.operating_point,
        request.parameters.prevalence,
        outputs or None,
        binary,
    )


def write_answer(
    head: Mapping[str, str], tensors: Mapping[str, Tensor], request: Inference
) -> tuple[bytes, int | None]:
    """Write the body of an answer.

    Args:
        head: ``model_name`` and the like.
        tensors: all outputs there are.
        request: which of them it asked for, and how.

    Returns:
        The body, and the length of its JSON where binary data follows.

    Raises:
        InvalidRequest: the request asked for an output that is not there.
    """
    outputs = request.outputs
    if outputs is None:
        outputs = dict.fromkeys(tensors, request.binary)
    unknown = outputs.keys() - tensors.keys()
    if unknown:
        raise InvalidRequest(f"The outputs for this input are {', '.join(tensors)}.")
    entries = []
    tail = []
    for name, binary in outputs.items():
        tensor = tensors[name]
        entry: dict[str, Any] = {
            "name": name,
            "shape": list(tensor.shape) if isinstance(tensor, np.ndarray) else [len(tensor)],
            "datatype": "FP32" if isinstance(tensor, np.ndarray) else "BYTES",
        }
        if binary:
            tail.append(_to_bytes(tensor))
            entry["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            entry["data"] = _to_list(tensor)
        entries.append(entry)
    answer: dict[str, Any] = {**head, "outputs": entries}
    if request.id is not None:
        answer["id"] = request.id
    text = json.dumps(answer).encode()
    return b"".join((text, *tail)), len(text) if tail else None


def _pixels(tensor: RequestInput, data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    if tensor.name != "image":
        raise InvalidRequest("The inputs are image, or bytes. Send one of them.")
    count, *rest = tensor.shape or [0]
    if tensor.datatype != "UINT8" or count < 1 or rest != [height, width, 1]:
        raise InvalidRequest(f"The input image is UINT8 [N, {height}, {width}, 1].")
    size = math.prod(tensor.shape)
    if tensor.parameters.binary_data_size is not None:
        if tensor.parameters.binary_data_size != len(data) or len(data) != size:
            raise InvalidRequest(f"The input image has {len(data)} bytes, its shape {size}.")
        return np.frombuffer(data, np.uint8).reshape(tensor.shape)
    try:
        values = np.array(tensor.data)
    except ValueError:
        values = np.empty(0)
    if (
        values.size != size
        or not np.issubdtype(values.dtype, np.integer)
        or values.min() < 0
        or values.max() > 255
    ):
        raise InvalidRequest(f"The data of the input image are not {size} numbers from 0 to 255.")
    return values.astype(np.uint8).reshape(tensor.shape)


def _encoded(tensor: RequestInput, data: bytes) -> bytes:
    if tensor.datatype != "BYTES" or math.prod(tensor.shape) != 1:
        raise InvalidRequest("The input bytes is BYTES [1]: one encoded image.")
    if tensor.parameters.binary_data_size is None:
        return _from_base64(tensor.data)
    if (
        tensor.parameters.binary_data_size != len(data)
        or len(data) < _LENGTH.size
        or _LENGTH.unpack_from(data)[0] != len(data) - _LENGTH.size
    ):
        raise InvalidRequest("The input bytes does not have the length it says it has.")
    return data[_LENGTH.size :]


def _from_base64(data: list[Any] | None) -> bytes:
    """An encoded image in JSON: it is no text, so clients write it as base64."""
    text = data[0] if data else None
    if isinstance(text, dict):  # as KServe's older protocol has it
        text = text.get("b64")
    try:
        return base64.b64decode(text or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidRequest(
            "The input bytes is neither binary data nor base64. Send one of them."
        ) from None


def _to_bytes(tensor: Tensor) -> bytes:
    if isinstance(tensor, np.ndarray):
        return tensor.astype("<f4", copy=False).tobytes()
    return b"".join(_LENGTH.pack(len(text)) + text for text in tensor)


def _to_list(tensor: Tensor) -> list[Any]:
    if isinstance(tensor, np.ndarray):
        result: list[Any] = tensor.ravel().tolist()
        return result
    return [text.decode() for text in tensor]
