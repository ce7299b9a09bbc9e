"""What an image is expected to cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.runtime.cost import expected_units
from tests.images import image_bytes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_more_image_is_more_work(kind: str) -> None:
    small, large = (
        image_bytes(size=(400, 300), kind=kind),
        image_bytes(size=(4000, 3000), kind=kind),
    )
    assert expected_units(small) < expected_units(large)


def test_an_average_x_ray_is_one_unit() -> None:
    jpeg = image_bytes(size=(1400, 1100), quality=95)
    jpeg += bytes(270_000 - len(jpeg))
    assert expected_units(jpeg) == pytest.approx(1)


def test_pixels_that_are_packed_well_are_still_pixels() -> None:
    png = image_bytes(size=(8000, 6000), kind="PNG")
    assert len(png) < 300_000
    assert expected_units(png) > 20


@given(st.binary(max_size=64) | st.sampled_from([b"\x89PNG", b"BM", b"\xff\xd8\xff"]))
def test_any_bytes_are_some_work(data: bytes) -> None:
    assert 0 < expected_units(data) <= 200
    assert 0 < expected_units(b"\x89PNG\r\n\x1a\n" + data) <= 200
    assert 0 < expected_units(b"BM" + data) <= 200
