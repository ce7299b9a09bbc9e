"""Files made to do harm: small ones that claim to be huge, and ones that are two things at once."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.client import AppClient
from tests.dicom import file_bytes, radiograph, shadows
from tests.images import encode, image_bytes

JPEG = image_bytes()
HTML = "<script>alert(1)</script>"


def announced(kind: str, width: int, height: int) -> bytes:
    """A small image whose header claims another size."""
    data = bytearray(image_bytes(size=(64, 64), kind=kind))
    if kind == "BMP":
        struct.pack_into("<ii", data, 18, width, height)
    elif kind == "GIF":
        struct.pack_into("<HH", data, 6, width, height)
    elif kind == "WEBP":  # fourteen bits each, after the frame's start code
        struct.pack_into("<HH", data, data.index(b"\x9d\x01\x2a") + 3, width, height)
    else:
        tags = {256: width, 257: height}
        directory = struct.unpack_from("<I", data, 4)[0]
        for entry in range(struct.unpack_from("<H", data, directory)[0]):
            place = directory + 2 + 12 * entry
            if (tag := struct.unpack_from("<H", data, place)[0]) in tags:
                struct.pack_into("<HHII", data, place, tag, 4, 1, tags[tag])
    return bytes(data)


def inflating(size: int) -> bytes:
    """A PNG of 64 x 64 pixels whose data inflate to far more."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    text = b"note\0\0" + zlib.compress(bytes(size))
    end = chunk(b"IDAT", zlib.compress(bytes(size))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"zTXt", text) + end


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (announced("TIFF", 60_000, 60_000), 413, "too_large"),
        (announced("WEBP", 16_383, 16_383), 413, "too_large"),
        (announced("BMP", 60_000, 60_000), 413, "too_large"),
        (announced("GIF", 60_000, 60_000), 415, "unsupported_type"),
        (inflating(2**26), 422, "not_a_chest_xray"),  # what is left over is never inflated
    ],
    ids=["TIFF", "WebP", "BMP", "GIF", "PNG that inflates"],
)
def test_bombs(client: AppClient, data: bytes, status: int, code: str) -> None:
    response = client.post("/predict", content=data)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert client.post("/predict", content=JPEG).status_code == 200


UNDEFINED = 0xFFFFFFFF
NESTED = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, UNDEFINED) + struct.pack(
    "<HHI", 0xFFFE, 0xE000, UNDEFINED
)
CRASHING = b"\xff\xd8\xff\xc3\x00\x0b\x0c\xff\xff\xff\xff\x01\x00\x11\x00\xff\xda\x00\x02"


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (bytes(128) + b"DICM" + NESTED * 50_000, 400, "undecodable_image"),
        (
            bytes(128)
            + b"DICM\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99"
            + zlib.compress(bytes(2**24), wbits=-zlib.MAX_WBITS)[:-2],
            400,
            "undecodable_image",
        ),
        (
            file_bytes(radiograph(shadows(64, 64)), "JPEG lossless", Rows=60_000, Columns=60_000),
            413,
            "too_large",
        ),
        (
            file_bytes(radiograph(shadows(64, 64)), "JPEG lossless", frame=CRASHING),
            400,
            "undecodable_image",
        ),
    ],
    ids=["nested sequences", "cut deflate stream", "announced size", "lossless JPEG"],
)
def test_hostile_dicom(client: AppClient, data: bytes, status: int, code: str) -> None:
    response = client.post("/predict", content=data)
    assert (response.status_code, response.json()["code"]) == (status, code)
    good = file_bytes(radiograph(shadows(160, 128), WindowCenter=2048, WindowWidth=4096))
    assert client.post("/predict", content=good).status_code == 200


def test_an_archive_behind_an_image_is_not_looked_at(client: AppClient) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("index.html", HTML)
    response = client.post("/predict", content=JPEG + archive.getvalue())
    assert response.json()["image"]["format"] == "JPEG"
    turned = client.post("/predict", content=archive.getvalue() + JPEG)
    assert (turned.status_code, turned.json()["code"]) == (415, "unsupported_type")


def test_a_page_inside_an_image_does_not_come_out_again(client: AppClient) -> None:
    note = PngInfo()
    note.add_text("Comment", HTML)
    grey = Image.fromarray(np.full((96, 96), 160, np.uint8))
    for data in (encode(grey, "PNG", pnginfo=note), encode(grey, "PNG") + HTML.encode()):
        for path in ("/predict", "/explain"):
            response = client.post(path, content=data)
            assert response.status_code == 200
            assert response.headers["x-content-type-options"] == "nosniff"
            assert b"script" not in response.content
    page = client.post("/predict", content=HTML.encode() + JPEG)
    assert page.status_code == 415


@pytest.mark.parametrize("name", ["/predict", "/predict/batch"])
def test_thousands_of_form_parts_are_refused(client: AppClient, name: str) -> None:
    field = "files" if name.endswith("batch") else "file"
    part = f'--b\r\nContent-Disposition: form-data; name="{field}"\r\n\r\nx\r\n'
    body = (part * 10_000 + "--b--\r\n").encode()
    kind = {"content-type": "multipart/form-data; boundary=b"}
    response = client.post(name, content=body, headers=kind)
    assert response.status_code in (413, 422)
    assert response.json()["code"] in ("too_large", "invalid_request")
