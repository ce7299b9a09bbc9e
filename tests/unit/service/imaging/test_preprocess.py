"""Plain borders are no part of what the model sees."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.imaging.preprocess import (
    COPY_SIZE,
    content_box,
    fit,
    size_warnings,
    to_model_input,
)
from service.imaging.radiograph import WHOLE, Limits, Radiograph
from service.imaging.reader import ImageReader


def scene(width: int = 200, height: int = 160) -> Image.Image:
    """Noise, so that no row or column is plain."""
    grey = np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.uint8)
    return Image.fromarray(grey)


def framed(image: Image.Image, sides: tuple[int, int, int, int], grey: int) -> Image.Image:
    """The image with a border of so many pixels left, above, right and below."""
    left, top, right, bottom = sides
    frame = Image.new("L", (image.width + left + right, image.height + top + bottom), grey)
    frame.paste(image, (left, top))
    return frame


def smooth(width: int = 600, height: int = 480) -> Image.Image:
    """Waves without detail, which survive any resize, and no row or column of which is plain."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.sin(5 * x / width + 7 * y / height) + np.cos(6 * y / height - 4 * x / width)
    return Image.fromarray((127 + 60 * waves).astype(np.uint8))


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("sides", [(40, 0, 25, 0), (0, 30, 0, 0), (10, 10, 10, 10), (0, 0, 0, 1)])
def test_a_plain_border_ends_where_the_image_begins(
    sides: tuple[int, int, int, int], grey: int
) -> None:
    left, top, *_ = sides
    assert content_box(framed(scene(), sides, grey)) == (left, top, left + 200, top + 160)


@pytest.mark.parametrize("grey", [0, 255])
@pytest.mark.parametrize(
    "sides", [(200, 0, 100, 0), (0, 90, 0, 0), (50, 50, 50, 50), (2000, 900, 2000, 900)]
)
def test_a_plain_border_is_not_seen(sides: tuple[int, int, int, int], grey: int) -> None:
    bordered, content = fit(framed(smooth(), sides, grey), 64, 64)
    alone, whole = fit(smooth(), 64, 64)
    # a pixel of the reduced image at the edge may lie half in the border
    inside = np.abs(bordered[2:-2, 2:-2].astype(int) - alone[2:-2, 2:-2])
    assert inside.max() <= 6
    left, top, right, bottom = sides
    width, height = 600 + left + right, 480 + top + bottom
    exact = left / width, top / height, 1 - right / width, 1 - bottom / height
    assert whole == WHOLE
    assert content == pytest.approx(exact, abs=1.5 / COPY_SIZE)


@pytest.mark.parametrize("sides", [(0, 0, 0, 0), (9, 0, 0, 0), (300, 0, 250, 40)])
def test_an_original_is_seen_as_its_copy_is(sides: tuple[int, int, int, int]) -> None:
    """Copies of the size of the training images, which many archives hold."""
    original = framed(scene(1500, 1200), sides, 0)
    copy = original.resize((COPY_SIZE, COPY_SIZE), Image.Resampling.BILINEAR)
    assert np.array_equal(to_model_input(original, 128, 128), to_model_input(copy, 128, 128))


def test_a_small_x_ray_on_a_large_page_keeps_its_detail() -> None:
    squares = np.kron(np.indices((50, 50)).sum(axis=0) % 2 * 255, np.ones((6, 6)))
    page = framed(Image.fromarray(squares.astype(np.uint8)), (900, 900, 900, 900), 255)
    assert to_model_input(page, 128, 128).std() > 60


def test_a_border_that_was_compressed_is_still_plain() -> None:
    bordered = np.asarray(framed(scene(), (40, 20, 40, 20), 4)).copy()
    border = np.ones(bordered.shape, bool)
    border[20:-20, 40:-40] = False
    noise = np.random.default_rng(1).integers(-4, 5, border.sum())
    bordered[border] = (4 + noise).astype(np.uint8)
    assert content_box(Image.fromarray(bordered)) == (40, 20, 240, 180)


def test_a_marker_in_the_border_ends_it() -> None:
    bordered = framed(scene(), (40, 0, 0, 0), 0)
    bordered.paste(255, (20, 10, 30, 30))
    assert content_box(bordered) == (20, 0, 240, 160)


def test_dark_air_beside_a_chest_is_no_border() -> None:
    """As long as one pixel of each row and column is something else."""
    air = np.zeros((100, 100), np.uint8)
    air[np.arange(100), np.arange(100)] = 200
    assert content_box(Image.fromarray(air)) == (0, 0, 100, 100)


@pytest.mark.parametrize(
    "grey",
    [
        np.full((30, 20), 77, np.uint8),
        np.tile(np.linspace(0, 255, 20).astype(np.uint8), (30, 1)),
        np.tile(np.linspace(0, 255, 30).astype(np.uint8)[:, None], (1, 20)),
    ],
)
def test_where_all_rows_or_columns_are_plain_none_is_a_border(grey: NDArray[np.uint8]) -> None:
    assert content_box(Image.fromarray(grey)) == (0, 0, 20, 30)


def test_borders_do_not_count_as_size() -> None:
    whole = Radiograph(scene(), "PNG", width=200, height=160, bit_depth=8)
    assert size_warnings(whole, 128, 128) == ()
    (warning,) = size_warnings(replace(whole, content=(0.25, 0.0, 0.75, 1.0)), 128, 128)
    assert warning.code == "upscaled"
    assert warning.detail.startswith("The image has 100 x 160 pixels without its plain borders")


def test_a_small_x_ray_on_a_large_jpeg_page_is_not_scaled_away() -> None:
    """Decoders may scale a page down, not below what the model needs of the X-ray on it."""
    page = framed(scene(300, 300), (1900, 1900, 1900, 1900), 255)
    stream = BytesIO()
    page.save(stream, "JPEG", quality=95)
    reader = ImageReader(128, 128, "bilinear", Limits())
    seen = reader.read(stream.getvalue())
    expected = to_model_input(Image.open(stream), 128, 128)
    assert np.abs(seen.pixels.astype(int) - expected).max() <= 2
    assert seen.radiograph.content == pytest.approx((19 / 41, 19 / 41, 22 / 41, 22 / 41), abs=0.01)
