"""What `benchmarks.soak` sends: good and bad requests of every kind, and what each may be answered.

An outcome is the status of an answer and, where it is a problem, its code.
"""

import http.client
import io
import json
import struct
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from benchmarks.dicom_files import as_radiograph, real_file
from benchmarks.load import Payload, form, forms, open_inference, raw
from benchmarks.options import encode
from tests.process import ServiceProcess

LEFT = "left"
SHED = frozenset(("429 overloaded", "429"))
_PREDICTED = frozenset(("200", "422 not_a_chest_xray"))
_TOO_LARGE = frozenset(("413 too_large",))
_TIMEOUT_SECONDS = 90.0
_SMALL_SIDE = 400
_PIECES = 8

Manner = Literal["at once", "slowly", "half", "half and away", "all and away", "too much"]


@dataclass(frozen=True)
class Kind:
    """One kind of request.

    Attributes:
        name: in the report.
        path: that is posted to.
        payload: what is posted; its bodies take turns.
        expected: outcomes that are right, beside those of a service that is busy.
        weight: how often it is sent, relative to the others.
        manner: how its body is sent.
    """

    name: str
    path: str
    payload: Payload
    expected: frozenset[str]
    weight: int = 1
    manner: Manner = "at once"


def quick_kinds(images: Sequence[bytes]) -> list[Kind]:
    """What is sent as fast as the answers come.

    Args:
        images: JPEG files.
    """
    png = [_resaved(image, "PNG") for image in images[:2]]
    small, small_png = (
        [_resaved(image, kind, _SMALL_SIDE) for image in images[:4]] for kind in ("JPEG", "PNG")
    )
    dicom = Payload("application/dicom", [real_file("RG1_UNCR.dcm")])
    lossless = Payload("application/dicom", [as_radiograph(real_file("JPEG-LL.dcm"))])
    several = forms([[image, b"no image", small_png[0]] for image in images[:4]], "files")
    infer = "/v2/models/{model}/infer"
    bad, unknown = frozenset(("400 undecodable_image",)), frozenset(("415 unsupported_type",))
    return [
        Kind("JPEG", "/predict", raw(images), _PREDICTED, 10),
        Kind("JPEG in a form", "/predict", form(images), _PREDICTED, 4),
        Kind("small JPEG", "/predict", raw(small), _PREDICTED, 3),
        Kind("PNG", "/predict", raw(png), _PREDICTED),
        Kind("small PNG", "/predict", raw(small_png), _PREDICTED, 2),
        Kind("DICOM", "/predict", dicom, _PREDICTED),
        Kind("DICOM, JPEG lossless", "/predict", lossless, _PREDICTED),
        Kind("batch", "/predict/batch", several, frozenset(("200",)), 2),
        Kind("explain", "/explain", raw(images), _PREDICTED, 2),
        Kind("Open Inference", infer, open_inference(images[:8]), frozenset(("200", "422")), 2),
        Kind(
            "truncated JPEG",
            "/predict",
            raw([image[: len(image) // 2] for image in images[:4]]),
            bad,
            2,
        ),
        Kind("truncated PNG", "/predict", raw([data[:-2000] for data in small_png]), bad),
        Kind("text", "/predict", raw([b"Lungs are clear."]), unknown),
        Kind("PDF", "/explain", raw([b"%PDF-1.7\n"]), unknown),
        Kind("bomb", "/predict", raw([_bomb()]), _TOO_LARGE),
        Kind(
            "wrong field", "/predict", form(images[:1], "scan"), frozenset(("422 invalid_request",))
        ),
        Kind("nowhere", "/nowhere", raw([b"x"]), frozenset(("404 not_found",))),
    ]


def slow_kinds(images: Sequence[bytes]) -> list[Kind]:
    """What takes its time, or is not waited for."""
    stalled, gone = frozenset(("408 request_timeout",)), frozenset((LEFT,))
    kinds: list[tuple[str, Manner, frozenset[str]]] = [
        ("slow", "slowly", _PREDICTED | stalled),
        ("stalled", "half", stalled),
        ("broken off", "half and away", gone),
        ("left", "all and away", gone),
        ("too much", "too much", _TOO_LARGE),
    ]
    return [
        Kind(name, "/predict", raw(images), right, manner=manner) for name, manner, right in kinds
    ]


class Client:
    """Sends one request after another, through one connection while that is possible."""

    def __init__(self, service: ServiceProcess, slow_seconds: float = 0) -> None:
        """Ask only which model it is, for the Open Inference Protocol.

        Args:
            service: to send to.
            slow_seconds: how long a slow body takes.
        """
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", service.port, timeout=_TIMEOUT_SECONDS
        )
        self._model = service.get("/model").json()["contract"]["name"]
        self._slow_seconds = slow_seconds

    def send(self, kind: Kind, body: bytes) -> str:
        """Send one request of a kind; its outcome.

        Raises:
            OSError, http.client.HTTPException: there was no answer.
        """
        connection = self._connection
        try:
            length = 2**31 if kind.manner == "too much" else len(body)
            connection.putrequest("POST", kind.path.format(model=self._model))
            connection.putheader("Content-Type", kind.payload.content_type)
            connection.putheader("Content-Length", str(length))
            connection.endheaders()
            self._send_body(kind.manner, body)
            if kind.manner.endswith("away"):
                self.close()
                return LEFT
            response = connection.getresponse()
            outcome = _outcome(response, response.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if kind.manner != "at once":
            self.close()
        return outcome

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def _send_body(self, manner: Manner, body: bytes) -> None:
        if manner == "slowly":
            size = len(body) // _PIECES + 1
            for start in range(0, len(body), size):
                time.sleep(self._slow_seconds / _PIECES)
                self._connection.send(body[start : start + size])
        else:
            self._connection.send(body[: len(body) // 2] if manner.startswith("half") else body)


def _outcome(response: http.client.HTTPResponse, answer: bytes) -> str:
    if response.headers.get_content_type() == "application/problem+json":
        return f"{response.status} {json.loads(answer)['code']}"
    return str(response.status)


def _resaved(image: bytes, kind: str, longest: int | None = None) -> bytes:
    """The image in another format, and where asked no larger than so many pixels."""
    grey = Image.open(io.BytesIO(image)).convert("L")
    if longest is not None:
        grey.thumbnail((longest, longest))
    return encode(grey, kind)


def _bomb() -> bytes:
    """A PNG of a few bytes that announces 3,600 megapixels."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
