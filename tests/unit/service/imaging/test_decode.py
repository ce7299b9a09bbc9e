"""What the system refuses is not the image's fault, and what an image may ask of a decoder."""

import struct
from io import BytesIO
from unittest.mock import Mock

import pytest
from PIL import ExifTags, Image

from service.errors import Overloaded, UndecodableImage
from service.imaging.decode import decode, recognise
from service.imaging.radiograph import Limits
from tests.dicom import NATIVE, file_bytes, radiograph, shadows
from tests.dicom_files import real_files
from tests.images import image_bytes

NO_DICOM = ("FileInfo.txt", "README", ".md", ".icc", ".dump", ".gz", "README.txt", "no_meta.dcm")


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ("out of memory error when reading image file", Overloaded),
        ("broken data stream when reading image file", UndecodableImage),
    ],
)
def test_an_image_there_is_no_memory_for_is_not_called_corrupt(
    monkeypatch: pytest.MonkeyPatch, says: str, error: type[Exception]
) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", Mock(side_effect=OSError(says)))
    with pytest.raises(error):
        decode(image_bytes(), Limits())


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("preamble", [True, False])
def test_dicom_is_recognised_with_and_without_preamble(syntax: str, preamble: bool) -> None:
    data = file_bytes(radiograph(shadows(40, 50)), syntax, preamble)
    assert recognise(data) == "DICOM"
    start = data.find(struct.pack(">HH" if syntax == "big endian" else "<HH", 8, 0x16))
    assert syntax == "deflated" or recognise(data[start:]) == "DICOM"


def test_a_file_that_is_also_a_tiff_is_taken_for_dicom() -> None:
    assert recognise(b"II*\0" + file_bytes(radiograph(shadows()))[4:]) == "DICOM"


@pytest.mark.parametrize("name", [name for name in real_files() if name.endswith(NO_DICOM)])
def test_other_real_files_are_not_taken_for_dicom(name: str) -> None:
    assert recognise(real_files()[name].read_bytes()) != "DICOM"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_images_are_not_taken_for_dicom(kind: str) -> None:
    assert recognise(image_bytes(kind=kind)) == kind


@pytest.mark.parametrize("length", [0, 1, 7, 8, 131])
def test_a_few_zero_bytes_are_not_taken_for_dicom(length: int) -> None:
    assert recognise(bytes(length)) is None


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_of_thousands_of_scans_is_refused(mode: str) -> None:
    with pytest.raises(UndecodableImage, match="scans"):
        decode(with_scans(mode, 5000, progressive=True), Limits())


def test_a_grey_baseline_jpeg_has_one_scan() -> None:
    decode(with_scans("L", 1), Limits())
    with pytest.raises(UndecodableImage):
        decode(with_scans("L", 2), Limits())


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("orientation", "turned"), [(1, False), (3, False), (6, True), (9, False)])
def test_an_image_is_turned_as_its_file_says(name: str, orientation: int, turned: bool) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stream = BytesIO()
    Image.linear_gradient("L").resize((64, 96)).save(stream, name, exif=exif.tobytes())
    found = decode(stream.getvalue(), Limits())
    assert (found.width, found.height) == ((96, 64) if turned else (64, 96))
    assert found.image.size == (found.width, found.height)
    first, *_, last = found.image.tobytes()
    assert (first > last) == (orientation in (3, 6))  # the dark top went down, or to the right


def with_scans(mode: str, count: int, *, progressive: bool = False) -> bytes:
    """A JPEG whose last scan comes so many times."""
    stream = BytesIO()
    Image.linear_gradient("L").convert(mode).save(stream, "JPEG", progressive=progressive)
    body = stream.getvalue().removesuffix(b"\xff\xd9")
    scan = body[body.rindex(b"\xff\xda") :]
    return body + (count - 1) * scan + b"\xff\xd9"
