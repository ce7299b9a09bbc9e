"""Inputs of public bug reports of software that does the same job; see docs/compatibility.md."""

import json
import struct
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from service.imaging.decode import decode
from service.imaging.dicom_pool import DicomPool
from service.imaging.radiograph import Limits
from tests.client import AppClient
from tests.dicom import file_bytes, frame_of, lut, radiograph, shadows
from tests.image_files import chest_like, png_chunk, tiff
from tests.images import encode, image_bytes
from tests.tiny_model import SIZE

WINDOW: dict[str, Any] = {
    "WindowCenter": 2047.5,
    "WindowWidth": 4095,
    "VOILUTFunction": "LINEAR_EXACT",
}
SAMPLES = shadows()
BASE = file_bytes(radiograph(SAMPLES, **WINDOW))
INVERTED = file_bytes(radiograph(4095 - SAMPLES, **WINDOW))
INFER = "/v2/models/tiny/infer"


Pixels: TypeAlias = Callable[[bytes], NDArray[np.int16]]


@pytest.fixture(scope="module")
def pixels(dicom_pool: DicomPool) -> Pixels:
    """What a file shows."""

    @cache
    def shown(data: bytes) -> NDArray[np.int16]:
        return np.asarray(decode(data, Limits(), pool=dicom_pool).image).astype(np.int16)

    return shown


def codes(client: AppClient, data: bytes) -> set[str]:
    """The codes of the warnings that the application answers with."""
    response = client.post("/predict", files={"file": data})
    assert response.status_code == 200, response.text
    return {warning["code"] for warning in response.json()["warnings"]}


def refusal(client: AppClient, data: bytes) -> tuple[int, str]:
    response = client.post("/predict", files={"file": data})
    return response.status_code, response.json()["detail"]


def in_fragments() -> bytes:
    frame = frame_of("JPEG-LS", SAMPLES, 12)
    value = encapsulate([frame], fragments_per_frame=3, has_bot=False)
    return file_bytes(radiograph(SAMPLES, **WINDOW), "JPEG-LS", encapsulated=value)


def other_syntax() -> bytes:
    explicit, implicit = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"
    assert BASE.count(explicit) == 1
    return BASE.replace(explicit, implicit)


SHORT_LUT = lut(np.arange(100, dtype=np.uint16), 0, 12)
SHORT_LUT[0].LUTDescriptor = [4096, 0, 12]

DICOM = {
    "OHIF/Viewers#127": (
        file_bytes(radiograph(SAMPLES, RescaleSlope=-1, RescaleIntercept=4095, **WINDOW)),
        INVERTED,
    ),
    "cornerstonejs/cornerstone#508": (
        file_bytes(
            radiograph(SAMPLES, SmallestImagePixelValue=900, LargestImagePixelValue=901, **WINDOW)
        ),
        BASE,
    ),
    "ome/bioformats#3620": (
        file_bytes(radiograph(4095 - SAMPLES, PhotometricInterpretation="MONOCHROME1", **WINDOW)),
        BASE,
    ),
    "cornerstonejs/cornerstoneWADOImageLoader#208": (
        file_bytes(radiograph(SAMPLES, VOILUTSequence=SHORT_LUT, **WINDOW)),
        BASE,
    ),
    "wearemothership/dicom.ts#20": (other_syntax(), BASE),
    "malaterre/GDCM#80": (in_fragments(), BASE),
}


@pytest.mark.parametrize(("data", "expected"), DICOM.values(), ids=DICOM.keys())
def test_dicom_is_shown_as_it_is_meant(
    client: AppClient, pixels: Pixels, data: bytes, expected: bytes
) -> None:
    assert codes(client, data) - {"ignored_voi_lut"} == codes(client, expected)
    assert np.abs(pixels(data) - pixels(expected)).max() <= 1


def test_a_table_that_is_left_out_is_told(client: AppClient) -> None:
    """cornerstonejs/cornerstoneWADOImageLoader#208"""
    data, _ = DICOM["cornerstonejs/cornerstoneWADOImageLoader#208"]
    assert codes(client, data) == {"ignored_voi_lut"}


def test_signed_jpeg_ls_of_fewer_bits_than_its_cells(client: AppClient, pixels: Pixels) -> None:
    """pydicom/pydicom#2009"""
    signed = (SAMPLES.astype(np.int32) - 2048).astype(np.int16)
    window = {**WINDOW, "WindowCenter": -0.5}
    data = file_bytes(radiograph(signed, **window), "JPEG-LS")
    assert codes(client, data) == set()
    assert np.abs(pixels(data) - pixels(BASE)).max() <= 1


def test_jpeg_ls_of_8_bits_in_cells_of_16(client: AppClient, pixels: Pixels) -> None:
    """pydicom/pydicom#2010"""
    samples = shadows(bits=8)
    plain = file_bytes(radiograph(samples, 8))
    data = file_bytes(radiograph(samples, 8), "JPEG-LS")
    assert codes(client, data) == codes(client, plain)
    np.testing.assert_array_equal(pixels(data), pixels(plain))


def test_pixel_data_of_an_odd_length(client: AppClient, pixels: Pixels) -> None:
    """Efferent-Health/fo-dicom.Codecs#36"""
    samples = shadows(95, 81, bits=8).astype(np.uint8)
    data = file_bytes(radiograph(samples, 8))
    assert codes(client, data) == set()
    np.testing.assert_array_equal(pixels(data[:-1] if len(data) % 2 == 0 else data), pixels(data))
    np.testing.assert_array_equal(pixels(data), samples)


def test_an_icon_is_not_taken_for_the_image(client: AppClient, pixels: Pixels) -> None:
    """horosproject/horos#616"""
    icon = Dataset()
    icon.Rows = icon.Columns = 64
    icon.BitsAllocated = icon.BitsStored = 8
    icon.PixelData = bytes(64 * 64)
    icon["PixelData"].VR = "OB"
    data = file_bytes(radiograph(SAMPLES, IconImageSequence=Sequence([icon]), PixelData=None))
    status, detail = refusal(client, data)
    assert (status, "no pixel data" in detail) == (400, True)
    both = file_bytes(radiograph(SAMPLES, IconImageSequence=Sequence([icon]), **WINDOW))
    np.testing.assert_array_equal(pixels(both), pixels(BASE))


def test_a_camera_file_of_several_images_is_read_as_its_first(
    client: AppClient, pixels: Pixels
) -> None:
    """python-pillow/Pillow#1198, #8052"""
    first = Image.fromarray(chest_like(256, 256).astype(np.uint8))
    small = first.resize((64, 64))
    data = encode(first, "MPO", save_all=True, append_images=[small], quality=95)
    assert codes(client, data) == {"first_frame"}
    assert np.abs(pixels(data) - np.asarray(first).astype(np.int16)).max() <= 8


@pytest.mark.parametrize("scale", [1, 257])
def test_a_fourth_band_that_says_nothing_of_itself(
    client: AppClient, pixels: Pixels, scale: int
) -> None:
    """python-pillow/Pillow#393"""
    grey = chest_like()
    samples = (grey * scale).astype(np.uint8 if scale == 1 else np.uint16)
    data = tiff(np.dstack([samples, samples, samples, np.zeros_like(samples)]))
    entry = struct.pack("<HHI", 338, 3, 1)
    assert data.count(entry) == 1
    unspecified = data.replace(entry, struct.pack("<HHI", 337, 3, 1))  # another tag instead
    assert codes(client, unspecified) == {"upscaled"}
    np.testing.assert_array_equal(pixels(unspecified), grey)


def test_what_a_phone_names_png_is_refused_by_its_real_name(client: AppClient) -> None:
    """python-pillow/Pillow#3287, EyalAr/lwip#229"""
    status, detail = refusal(client, b"\0\0\0\x18ftypheic" + bytes(500))
    assert (status, "HEIF" in detail) == (415, True)
    plain = image_bytes(kind="PNG")
    apple = plain[:8] + png_chunk(b"CgBI", b"\x50\0\x20\x06") + plain[8:]
    status, detail = refusal(client, apple)
    assert (status, "CgBI" in detail) == (415, True)


def test_forms_without_boundary_or_name(client: AppClient) -> None:
    """Kludex/starlette#1125, #1303"""
    headers = {"content-type": "multipart/form-data"}
    response = client.post("/predict", content=b"x", headers=headers)
    assert (response.status_code, "boundary" in response.json()["detail"]) == (422, True)
    nameless = b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n"
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    body = nameless + head + image_bytes() + b"\r\n--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/predict", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("name", ["胸片.jpg", "Thorax präop.jpg", '"quoted".jpg', ""])
def test_file_names_in_any_writing(client: AppClient, name: str) -> None:
    """fastapi/fastapi#1014"""
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    if '"' in name:
        head = head.replace(f'"{name}"', '"' + name.replace('"', "%22") + '"')
    body = head.encode() + image_bytes() + b"\r\n--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/predict", content=body, headers=headers).status_code == 200


async def in_chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1000):
        yield data[start : start + 1000]


def test_chunked_uploads_without_a_length(client: AppClient) -> None:
    """ImagingDataCommons/dicomweb-client#42"""
    headers = {"content-type": "application/dicom"}
    response = client.post("/predict", content=in_chunks(BASE), headers=headers)
    assert response.status_code == 200


def image_tensor(**more: Any) -> dict[str, Any]:
    return {"name": "image", "shape": [1, SIZE, SIZE, 1], "datatype": "UINT8", **more}


def test_binary_outputs_that_are_listed(client: AppClient) -> None:
    """kserve/kserve#5907"""
    request = {
        "inputs": [image_tensor(data=[100] * SIZE**2)],
        "outputs": [{"name": "probabilities"}],
        "parameters": {"binary_data_output": True},
    }
    response = client.post(INFER, json=request)
    length = int(response.headers["inference-header-content-length"])
    (output,) = json.loads(response.content[:length])["outputs"]
    assert output["parameters"]["binary_data_size"] == len(response.content) - length == 12


def test_binary_data_without_their_header(client: AppClient) -> None:
    """triton-inference-server/server#4244"""
    tensor = image_tensor(parameters={"binary_data_size": SIZE**2})
    text = json.dumps({"inputs": [tensor]}).encode()
    response = client.post(INFER, content=text + bytes(SIZE**2))
    assert response.status_code == 422
    assert "Inference-Header-Content-Length" in response.json()["error"]


def test_text_where_a_list_belongs(client: AppClient) -> None:
    """kserve/kserve#2746"""
    tensor = {"name": "bytes", "shape": [1], "datatype": "BYTES", "data": "aGVsbG8="}
    response = client.post(INFER, json={"inputs": [tensor]})
    assert (response.status_code, "array" in response.json()["error"]) == (422, True)
