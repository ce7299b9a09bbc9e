"""What the system refuses is not the image's fault, and what an image may ask of a decoder."""

import errno
import subprocess
from io import BytesIO
from unittest.mock import Mock

import pytest
from PIL import ExifTags, Image

from service.errors import Overloaded, UndecodableImage
from service.imaging.decode import decode
from service.imaging.radiograph import Limits
from tests.dicom import file_bytes, radiograph, shadows
from tests.images import image_bytes


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ("out of memory error when reading image file", Overloaded),
        ("broken data stream when reading image file", UndecodableImage),
    ],
)
def test_a_picture_there_is_no_memory_for_is_not_called_corrupt(
    monkeypatch: pytest.MonkeyPatch, says: str, error: type[Exception]
) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", Mock(side_effect=OSError(says)))
    with pytest.raises(error):
        decode(image_bytes(), Limits())


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EAGAIN])
def test_a_process_there_is_no_room_for_is_not_called_corrupt(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    data = file_bytes(radiograph(shadows()), "JPEG-LS")
    decode(data, Limits())
    monkeypatch.setattr(subprocess, "run", Mock(side_effect=OSError(number, "fork")))
    with pytest.raises(Overloaded):
        decode(data, Limits())


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
def test_a_picture_is_turned_as_its_file_says(name: str, orientation: int, turned: bool) -> None:
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
