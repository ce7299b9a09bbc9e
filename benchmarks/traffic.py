"""Good and bad requests of every kind, what each may be answered, and a client that sends them.

An outcome is the status of an answer and, where it is a problem, its code.
"""

import http.client
import io
import json
import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, NamedTuple

from PIL import Image

from benchmarks.load import Payload, form, forms, open_inference, raw
from tests.dicom_files import as_radiograph, real_file
from tests.image_files import PNG_SIGNATURE, png_chunk
from tests.images import encode
from tests.process import ServiceProcess

LEFT = "left"
SHED = frozenset(("429 overloaded", "429"))
PREDICTED = frozenset(("200", "422 not_a_chest_xray"))
_TIMEOUT_SECONDS = 90.0
_SMALL_SIDE = 400
_PIECES = 8

Manner = Literal["at once", "alone", "slowly", "half", "half and away", "all and away", "too much"]


@dataclass(frozen=True)
class Kind:
    """One kind of request.

    Attributes:
        name: in the report.
        path: that is posted to.
        payload: what is posted; its bodies take turns. None to get the path.
        expected: outcomes that are right, beside those of a service that is busy.
        weight: how often it is sent, relative to the others.
        manner: how its body is sent: at once, on a connection of its own, and so on.
    """

    name: str
    path: str
    payload: Payload | None
    expected: frozenset[str] = PREDICTED
    weight: int = 1
    manner: Manner = "at once"


class Exchange(NamedTuple):
    """One request: when it began (monotonic), what became of it, and how long that took."""

    at: float
    kind: Kind
    outcome: str
    seconds: float


def quick_kinds(images: Sequence[bytes]) -> list[Kind]:
    """What is sent as fast as the answers come.

    Args:
        images: JPEG files.
    """
    few = images[:4]
    small, small_png = ([_small(image, name) for image in few] for name in ("JPEG", "PNG"))
    png = [encode(_grey(image), "PNG") for image in images[:2]]
    dicom = [real_file("RG1_UNCR.dcm")]
    lossless = [as_radiograph(real_file("JPEG-LL.dcm"))]
    several = forms([[image, b"no image", small_png[0]] for image in few], "files")
    infer, batch = "/v2/models/{model}/infer", "/predict/batch"
    bad, answered = frozenset(("400 undecodable_image",)), frozenset(("200",))
    unknown, large = frozenset(("415 unsupported_type",)), frozenset(("413 too_large",))
    invalid = frozenset(("422 invalid_request",))
    return [
        Kind("JPEG", "/predict", raw(images), weight=10),
        Kind("JPEG in a form", "/predict", form(images), weight=4),
        Kind("small JPEG", "/predict", raw(small), weight=3),
        Kind("PNG", "/predict", raw(png)),
        Kind("small PNG", "/predict", raw(small_png), weight=2),
        Kind("DICOM", "/predict", Payload("application/dicom", dicom)),
        Kind("DICOM, JPEG lossless", "/predict", Payload("application/dicom", lossless)),
        Kind("batch", batch, several, answered, 2),
        Kind("explain", "/explain", raw(images), weight=2),
        Kind("Open Inference", infer, open_inference(images[:8]), frozenset(("200", "422")), 2),
        Kind("truncated JPEG", "/predict", raw([one[: len(one) // 2] for one in few]), bad, 2),
        Kind("truncated PNG", "/predict", raw([data[:-2000] for data in small_png]), bad),
        Kind("text", "/predict", raw([b"Lungs are clear."]), unknown),
        Kind("PDF", "/explain", raw([b"%PDF-1.7\n"]), unknown),
        Kind("bomb", "/predict", raw([_bomb()]), large),
        Kind("wrong field", "/predict", form(images[:1], "scan"), invalid),
        Kind("nowhere", "/nowhere", raw([b"x"]), frozenset(("404 not_found",))),
    ]


def slow_kinds(images: Sequence[bytes]) -> list[Kind]:
    """What takes its time, or is not waited for."""
    stalled, gone = frozenset(("408 request_timeout",)), frozenset((LEFT,))
    kinds: dict[str, tuple[Manner, frozenset[str]]] = {
        "slow": ("slowly", PREDICTED | stalled),
        "stalled": ("half", stalled),
        "broken off": ("half and away", gone),
        "left": ("all and away", gone),
        "too much": ("too much", frozenset(("413 too_large",))),
    }
    return [
        Kind(name, "/predict", raw(images), right, manner=manner)
        for name, (manner, right) in kinds.items()
    ]


def unexpected(exchanges: Iterable[Exchange]) -> list[str]:
    """What was answered otherwise than it must be, or not at all."""
    strange = Counter(
        (exchange.kind.name, exchange.outcome)
        for exchange in exchanges
        if exchange.outcome not in exchange.kind.expected | SHED
    )
    return [f"{kind}: {outcome}, {count} times" for (kind, outcome), count in strange.items()]


def send_mixed(
    service: ServiceProcess,
    kinds: Sequence[Kind],
    seed: int,
    more: Callable[[int], bool],
    slow_seconds: float = 0,
) -> list[Exchange]:
    """One client's requests, drawn by weight.

    Args:
        service: to send to.
        kinds: to draw from.
        seed: of the drawing.
        more: whether to send another after so many.
        slow_seconds: how long a slow body takes.
    """
    rng, exchanges = random.Random(seed), list[Exchange]()
    weights = [kind.weight for kind in kinds]
    with closing(Client(service, slow_seconds)) as client:
        while more(len(exchanges)):
            (kind,) = rng.choices(kinds, weights)
            at = time.monotonic()
            try:
                outcome = client.send(
                    kind, rng.choice(kind.payload.bodies) if kind.payload else b""
                )
            except (OSError, http.client.HTTPException) as error:
                outcome = f"no answer: {type(error).__name__}"
            exchanges.append(Exchange(at, kind, outcome, time.monotonic() - at))
    return exchanges


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
        connection, path = self._connection, kind.path.format(model=self._model)
        try:
            if kind.payload is None:
                connection.request("GET", path)
            else:
                length = str(2**31 if kind.manner == "too much" else len(body))
                headers = {"Content-Type": kind.payload.content_type, "Content-Length": length}
                connection.request("POST", path, self._pieces(kind.manner, body), headers)
            if kind.manner.endswith("away"):
                return LEFT
            response = connection.getresponse()
            answer = response.read()
            if response.headers.get_content_type() == "application/problem+json":
                return f"{response.status} {json.loads(answer)['code']}"
            return str(response.status)
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        finally:
            if kind.manner != "at once":
                self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def _pieces(self, manner: Manner, body: bytes) -> Iterator[bytes]:
        """What is sent of a body."""
        if manner != "slowly":
            yield body[: len(body) // 2] if manner.startswith("half") else body
            return
        size = len(body) // _PIECES + 1
        for start in range(0, len(body), size):
            time.sleep(self._slow_seconds / _PIECES)
            yield body[start : start + size]


def _grey(image: bytes) -> Image.Image:
    return Image.open(io.BytesIO(image)).convert("L")


def _small(image: bytes, name: str) -> bytes:
    """The image in another format, no larger than so many pixels."""
    grey = _grey(image)
    grey.thumbnail((_SMALL_SIDE, _SMALL_SIDE))
    return encode(grey, name)


def _bomb() -> bytes:
    """A PNG of a few bytes that announces 3,600 megapixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    return PNG_SIGNATURE + header + png_chunk(b"IDAT", zlib.compress(bytes(1000)))
