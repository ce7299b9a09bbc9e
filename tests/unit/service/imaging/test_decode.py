"""What the system refuses is not the image's fault."""

import errno
import subprocess
from unittest.mock import Mock

import pytest

from service.errors import Overloaded, UndecodableImage
from service.imaging.decode import decode
from service.imaging.radiograph import Limits
from tests.dicom import file_bytes, radiograph, shadows
from tests.pictures import picture


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
        decode(picture(), Limits())


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EAGAIN])
def test_a_process_there_is_no_room_for_is_not_called_corrupt(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    data = file_bytes(radiograph(shadows()), "JPEG-LS")
    decode(data, Limits())
    monkeypatch.setattr(subprocess, "run", Mock(side_effect=OSError(number, "fork")))
    with pytest.raises(Overloaded):
        decode(data, Limits())
