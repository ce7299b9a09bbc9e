"""Plain borders are no part of what the model sees."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.imaging.preprocess import content_box, size_warnings, to_model_input
from service.imaging.radiograph import Radiograph


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


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("sides", [(40, 0, 25, 0), (0, 30, 0, 0), (10, 10, 10, 10), (0, 0, 0, 1)])
def test_a_plain_border_changes_nothing(sides: tuple[int, int, int, int], grey: int) -> None:
    image, bordered = scene(), framed(scene(), sides, grey)
    left, top, *_ = sides
    assert content_box(bordered) == (left, top, left + 200, top + 160)
    assert np.array_equal(to_model_input(bordered, 64, 64), to_model_input(image, 64, 64))


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
