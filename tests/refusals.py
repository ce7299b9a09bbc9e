"""Every sentence that a request or a file is refused with, and an input that causes it.

``python -m tests.refusals`` writes docs/refusals.md from what the application answers;
``--check`` fails where that file says something else.
"""

import argparse
import base64
import gzip
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from service.http.app import create_app
from service.settings import Settings
from tests.client import AppClient, running
from tests.dicom import RawText, file_bytes, frame_of, lut, radiograph, shadows
from tests.image_files import PNG_SIGNATURE, chest_like, png_chunk, tiff
from tests.images import encode, image_bytes
from tests.tiny_model import SIZE, write_tiny_model

PAGE = Path(__file__).parent.parent / "docs" / "refusals.md"

HEAD = """# Refusals

Every sentence that a request or a file is refused with, as `detail` (on `/v2` as `error`), with an
input that causes it; names and numbers in it are those of that input and of the default settings.
"Intact" says whether the file is whole and only of a kind or form that is not read; a dash stands
where no file is to blame. `make docs` writes this from what the service answers to the cases of
`tests/refusals.py`. Refusals for want of time or memory, and while the service starts or ends, are
left out.

| status | code | detail | what causes it | intact |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Case:
    """One refused request.

    Attributes:
        cause: what causes the refusal, in words.
        options: of the request, as httpx takes them.
        intact: whether the file is whole; None where no file is to blame.
        path: what is asked.
        method: how.
        service: which of the services in ``_settings`` is asked.
    """

    cause: str
    options: dict[str, Any] = field(default_factory=dict)
    intact: bool | None = None
    path: str = "/predict"
    method: str = "POST"
    service: str = "default"


@dataclass(frozen=True)
class Refusal:
    """How a case was answered."""

    case: Case
    status: int
    code: str
    detail: str


def ask_all() -> list[Refusal]:
    """The answers to all cases, each by an application on the tiny model."""
    refusals = []
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in _settings(Path(folder)).items():
            with running(create_app(settings)) as client:
                client.wait_until_ready()
                refusals += [_ask(client, case) for case in cases() if case.service == name]
    return sorted(refusals, key=lambda refusal: (refusal.status, refusal.code, refusal.detail))


def page(refusals: Iterable[Refusal]) -> str:
    """docs/refusals.md."""
    marks = {True: "yes", False: "no", None: "-"}
    rows = [
        f"| {one.status} | {f'`{one.code}`' if one.code else '-'} | {one.detail} "
        f"| {one.case.cause} | {marks[one.case.intact]} |\n"
        for one in refusals
    ]
    return HEAD + "".join(rows)


def cases() -> list[Case]:
    """All of them."""
    return [*_images(), *_dicom_headers(), *_dicom_pixels(), *_requests(), *_open_inference()]


def _settings(folder: Path) -> dict[str, Settings]:
    with_evidence, without = folder / "tiny.onnx", folder / "plain.onnx"
    write_tiny_model(with_evidence)
    write_tiny_model(without, evidence=False)
    key = hashlib.sha256(b"key").hexdigest()
    return {
        "default": Settings(model=with_evidence, workers=1),
        "with keys": Settings(model=with_evidence, workers=1, api_key_sha256=(key,)),
        "without evidence": Settings(model=without, workers=1),
    }


def _ask(client: AppClient, case: Case) -> Refusal:
    response = client.request(case.method, case.path, **case.options)
    answer = response.json()
    detail = answer.get("detail") or answer.get("error")
    if response.status_code < 400 or not detail:
        raise AssertionError(f"{case.cause}: answered {response.status_code}, not refused")
    return Refusal(case, response.status_code, answer.get("code", ""), detail)


def _file(cause: str, data: bytes, intact: bool) -> Case:
    return Case(cause, {"files": {"file": data}}, intact)


def _with_bytes(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _frame(marker: int, bits: int = 8) -> bytes:
    """A JPEG whose frame header says that it is of another process."""
    data = image_bytes()
    return _with_bytes(data, data.index(b"\xff\xc0"), bytes([0xFF, marker, 0, 11, bits]))


def _announced_png(width: int, height: int, kind: bytes = b"\x08\0") -> bytes:
    sizes = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    head = png_chunk(b"IHDR", sizes + kind + bytes(3))
    return PNG_SIGNATURE + head + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")


def _images() -> list[Case]:
    jpeg, grey = image_bytes(), chest_like()
    bitmap = image_bytes(kind="BMP")
    apple = PNG_SIGNATURE + png_chunk(b"CgBI", b"\x50\0\x20\x06")
    progressive = image_bytes(progressive=True)
    return [
        _file("nothing", b"", intact=False),
        _file("text", b"Lungs are clear.", intact=True),
        _file("a PDF document", b"%PDF-1.7\n", intact=True),
        _file("a HEIF file, whatever its name", b"\0\0\0\x18ftypheic" + bytes(12), intact=True),
        _file("half of a JPEG", jpeg[: len(jpeg) // 2], intact=False),
        _file("a lossless JPEG", _frame(0xC3, 12), intact=True),
        _file("JPEG-LS", _frame(0xF7, 12), intact=True),
        _file("a JPEG with arithmetic coding", _frame(0xC9), intact=True),
        _file("a hierarchical JPEG", _frame(0xC5), intact=True),
        _file("a 12-bit JPEG", _frame(0xC1, 12), intact=True),
        _file("a JPEG of 100 scans", progressive + b"\xff\xda" * 100, intact=False),
        _file("a BMP that holds a JPEG", _with_bytes(bitmap, 30, b"\x04"), intact=True),
        _file("a PNG in Apple's CgBI variant", apple, intact=True),
        _file("a TIFF with Zstandard", tiff(grey, extra_tags={259: 50000}), intact=True),
        _file("a TIFF of signed samples", tiff(grey.astype(np.int16)), intact=True),
        _file("a TIFF of 32-bit samples", tiff(grey.astype(np.uint32)), intact=True),
        _file("a TIFF of 16-bit grey with alpha", tiff(np.dstack([grey, grey])), intact=True),
        _file("a PNG of 60,000 x 60,000 pixels", _announced_png(60_000, 60_000), intact=True),
        _file(
            "a PNG of 8,000 x 6,000 pixels of three 16-bit colours",
            _announced_png(8_000, 6_000, b"\x10\2"),
            intact=True,
        ),
        _file("an icon", image_bytes(size=(16, 16), kind="PNG"), intact=True),
        _file("a white image", image_bytes(grey=255), intact=True),
    ]


def _dicom(cause: str, intact: bool = True, syntax: str = "explicit", **changes: Any) -> Case:
    return _file(f"DICOM: {cause}", file_bytes(radiograph(shadows(), **changes), syntax), intact)


def _dicom_headers() -> list[Case]:
    empty = file_bytes(radiograph(np.zeros((96, 80), np.uint16), PixelPaddingValue=0))
    table = lut(np.zeros(16, np.uint16), 0, 16)
    table[0].LUTDescriptor = [4096, 0, 16]
    whole = file_bytes(radiograph(shadows()))
    return [
        _dicom("a CT image", Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"),
        _dicom("no modality and another SOP class", Modality=None, SOPClassUID="1.2.3"),
        _dicom(
            "modality CT, SOP class DX",
            Modality="CT",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1",
        ),
        _dicom("two frames", NumberOfFrames=2),
        _dicom("-1 frames", intact=False, NumberOfFrames=-1),
        _dicom("no PhotometricInterpretation", False, PhotometricInterpretation=None),
        _dicom("colour", PhotometricInterpretation="RGB"),
        _dicom("a lateral view", ViewPosition="LL"),
        _dicom("a hand", BodyPartExamined="HAND"),
        _file("DICOM: the first 142 bytes", whole[:142], intact=False),
        _file("DICOM: padding alone", empty, intact=True),
        _dicom("a modality LUT too short", intact=False, ModalityLUTSequence=table),
        _dicom("rescale slope 0", intact=False, RescaleSlope=0, RescaleIntercept=0),
        _dicom("rescale slope NaN", intact=False, RescaleSlope=RawText("NaN")),
        _dicom("no Rows", intact=False, Rows=None),
        _dicom("32 bits allocated", BitsAllocated=32, BitsStored=32, HighBit=31),
        _dicom("HighBit below BitsStored", intact=False, HighBit=3),
        _dicom("no pixel data", intact=True, PixelData=None),
        _file("DICOM: pixel data cut off", whole[:-100], intact=False),
    ]


def _encapsulated(
    cause: str, frame: bytes, intact: bool, syntax: str = "JPEG", bits: int = 8
) -> Case:
    samples = shadows(bits=bits)
    dataset = radiograph(samples.astype(np.uint8) if bits == 8 else samples, bits)
    return _file(f"DICOM: {cause}", file_bytes(dataset, syntax, frame=frame), intact)


def _dicom_pixels() -> list[Case]:
    grey = Image.fromarray(shadows(bits=8).astype(np.uint8))
    baseline = encode(grey, "JPEG")
    twelve = _with_bytes(baseline, baseline.index(b"\xff\xc0"), b"\xff\xc1\0\x0b\x0c")
    wide = frame_of("JPEG 2000", shadows(), 12)
    wide = _with_bytes(wide, 42, b"\x13")
    video = _encapsulated("", b"no image", intact=True, syntax="JPEG 2000", bits=12)
    data = video.options["files"]["file"].replace(b".1.2.4.90", b".1.2.4.93")
    progressive = encode(grey, "JPEG", progressive=True)
    size = "of another size than its header"
    return [
        _encapsulated("a compressed image cut off in its head", baseline[:30], intact=False),
        _encapsulated("encapsulated text", b"no image", intact=False),
        _encapsulated("a colour JPEG", encode(grey.convert("RGB"), "JPEG"), intact=True),
        _encapsulated(size, encode(grey.resize((64, 64)), "JPEG"), intact=False),
        _encapsulated("12-bit JPEG", twelve, True, "JPEG extended", bits=12),
        _encapsulated("20-bit JPEG 2000", wide, True, "JPEG 2000", bits=12),
        _encapsulated("8-bit JPEG, 12 bits stored", baseline, False, "JPEG extended", bits=12),
        _encapsulated("progressive JPEG", progressive, intact=True),
        _file("DICOM: another transfer syntax", data, intact=True),
    ]


def _form(body: bytes, boundary: str = "b") -> dict[str, Any]:
    return {
        "content": body,
        "headers": {"content-type": f"multipart/form-data; boundary={boundary}"},
    }


def _requests() -> list[Case]:
    image = image_bytes()
    good = {"files": {"file": image}}
    kind = {"content-type": "image/jpeg"}
    plain = {"content": image, "headers": kind}
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    other = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n'

    def headed(**headers: str) -> dict[str, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {**plain, "headers": {**kind, **named}}

    return [
        Case("no key, where the service has keys", good, service="with keys"),
        Case("a misspelt parameter", good, path="/predict?operating_pont=screening"),
        Case("an unknown operating point", good, path="/predict?operating_point=best"),
        Case("a value out of its range", good, path="/explain?alpha=2"),
        Case("a prevalence that is no share of patients", good, path="/predict?prevalence=10"),
        Case(
            "a prevalence, and a model file that does not tell its own",
            good,
            path="/predict?prevalence=0.1",
        ),
        Case("a model without evidence map", good, path="/explain", service="without evidence"),
        Case("an unknown URL", path="/nothing", method="GET"),
        Case("GET instead of POST", method="GET"),
        Case("more bytes than accepted", headed(content_length=str(2**31))),
        Case("Content-Encoding: zstd", headed(content_encoding="zstd")),
        Case("a gzip body", headed(content_encoding="gzip")),
        Case("a form without boundary", headed(content_type="multipart/form-data")),
        Case("a boundary of 1,000 characters", _form(b"", "b" * 1000)),
        Case("a body that is no form", _form(b"x")),
        Case("a form that ends early", _form(part + image[:10])),
        Case("an image in another field", {"files": {"image": image}}),
        Case("two images at `/predict`", {"files": [("file", image), ("file", image)]}),
        Case("a form of 200 other fields", _form(other * 200 + part + b"\r\n--b--\r\n")),
        Case("JSON at `/predict`", {"json": {"image": "..."}}),
        Case(
            "`curl --data-binary` without a content type",
            {"content": image, "headers": {"content-type": "application/x-www-form-urlencoded"}},
        ),
        Case("an image alone at `/predict/batch`", plain, path="/predict/batch"),
    ]


def _infer(cause: str, body: object, **headers: str) -> Case:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    options = {"content": content, "headers": {"content-type": "application/json", **named}}
    return Case(f"`/v2`: {cause}", options, path="/v2/models/tiny/infer")


def _binary(cause: str, tensor: dict[str, Any], data: bytes) -> Case:
    text = json.dumps({"inputs": [tensor]}).encode()
    return _infer(cause, text + data, inference_header_content_length=str(len(text)))


def _open_inference() -> list[Case]:
    shape = [1, SIZE, SIZE, 1]
    pixels = [0] * (SIZE * SIZE)
    image = {"name": "image", "shape": shape, "datatype": "UINT8", "data": pixels}
    encoded = {"name": "bytes", "shape": [1], "datatype": "BYTES"}
    many = Settings().max_batch + 1

    def sized(tensor: dict[str, Any], size: int) -> dict[str, Any]:
        rest = {key: value for key, value in tensor.items() if key != "data"}
        return {**rest, "parameters": {"binary_data_size": size}}

    return [
        _infer("another key than the protocol's", {"input": []}),
        _infer("binary data without their header", b'{"inputs": []}' + bytes(10)),
        _infer("no input", {"inputs": []}),
        _infer("5 MB of JSON", b'{"id": "' + b"x" * 5_000_000 + b'"}'),
        _infer(
            "shared memory", {"inputs": [{**image, "parameters": {"shared_memory_region": "x"}}]}
        ),
        _infer(
            "the classification extension", {"inputs": [image], "parameters": {"classification": 1}}
        ),
        _infer("an output that is not there", {"inputs": [image], "outputs": [{"name": "x"}]}),
        _infer("an input that is not there", {"inputs": [{**image, "name": "x"}]}),
        _infer("an image of another shape", {"inputs": [{**image, "shape": [1, 5, 5, 1]}]}),
        _infer("numbers above 255", {"inputs": [{**image, "data": [256] * len(pixels)}]}),
        _infer(
            "a prevalence of 2",
            {
                "inputs": [{**encoded, "data": [base64.b64encode(image_bytes()).decode()]}],
                "parameters": {"prevalence": 2},
            },
        ),
        _infer("two encoded images", {"inputs": [{**encoded, "shape": [2], "data": ["", ""]}]}),
        _infer("text that is not base64", {"inputs": [{**encoded, "data": ["no base64!"]}]}),
        _infer("a header that is no number", b"{}", inference_header_content_length="x"),
        _infer("a header beyond the body", b"{}", inference_header_content_length="9"),
        _binary("fewer bytes than the shape has", sized(image, 10), bytes(10)),
        _binary("bytes of another length", sized(encoded, 10), bytes(10)),
        _binary(
            "more images than a batch holds",
            sized({**image, "shape": [many, *shape[1:]]}, many * len(pixels)),
            bytes(many * len(pixels)),
        ),
        _infer("gzip cut off", gzip.compress(b"{}" * 100)[:-9], content_encoding="gzip"),
        _infer("no gzip", b"{}", content_encoding="gzip"),
        Case("`/v2`: another model", path="/v2/models/other/infer"),
    ]


def main() -> None:
    """Write docs/refusals.md, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where the page is out of date")
    check = parser.parse_args().check
    text = page(ask_all())
    if not check:
        PAGE.write_text(text)
    elif PAGE.read_text() != text:
        sys.exit("docs/refusals.md is out of date: make docs")


if __name__ == "__main__":
    main()
