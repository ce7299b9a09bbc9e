"""Named distribution shifts that stand for other hospitals; candidates are ranked by them.

The clean validation images come from the training hospital and every candidate is nearly perfect
on them. These are the same images as another detector, exposure, post-processing, archive or
operator might have left them. The list and the strengths were fixed before any candidate was
ranked; change them only together with a new ranking of all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from service.imaging.radiograph import Pixels

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class NamedChange:
    """One change of an image.

    Attributes:
        name: as it appears in reports.
        change: grey image in, grey image of the same size out; whatever is random comes from the
            generator.
    """

    name: str
    change: Change


def apply(named: NamedChange, images: Pixels, seed: int = 0) -> Pixels:
    """Change every image, uint8 ``[N, h, w, 1]`` in and out; the seed fixes what is random."""
    changed = np.empty_like(images)
    for row, image in enumerate(images):
        generator = np.random.default_rng((seed, row))
        changed[row, ..., 0] = np.asarray(named.change(Image.fromarray(image[..., 0]), generator))
    return changed


def apply_in_turn(images: Pixels, seed: int = 0) -> Pixels:
    """Each image under one of the shifts in turn, uint8 ``[N, h, w, 1]`` in and out."""
    changed = images.copy()
    for number, shift in enumerate(SHIFTS):
        rows = slice((number + seed) % len(SHIFTS), None, len(SHIFTS))
        changed[rows] = apply(shift, images[rows], seed)
    return changed


def _curve(function: Callable[[np.ndarray], np.ndarray]) -> Change:
    grey = np.clip(function(np.arange(256) / 255), 0, 1)
    table = np.rint(grey * 255).astype(int).tolist()
    return lambda image, _: image.point(table)


def _contrast(factor: float) -> Change:
    return _curve(lambda grey: 0.5 + (grey - 0.5) * factor)


def _filter(given: ImageFilter.Filter) -> Change:
    return lambda image, _: image.filter(given)


def _noise(deviation: float) -> Change:
    def change(image: Image.Image, generator: np.random.Generator) -> Image.Image:
        grey = np.asarray(image) + generator.normal(0, deviation, (image.height, image.width))
        return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8))

    return change


def _jpeg(quality: int) -> Change:
    def change(image: Image.Image, _: np.random.Generator) -> Image.Image:
        stream = BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(stream).convert("L")

    return change


def _crop(width: float, height: float) -> Change:
    """Keep a random window of this part of each side, enlarged to the old size."""

    def change(image: Image.Image, generator: np.random.Generator) -> Image.Image:
        left = generator.uniform(0, 1 - width) * image.width
        top = generator.uniform(0, 1 - height) * image.height
        box = (left, top, left + width * image.width, top + height * image.height)
        return image.resize(image.size, Image.Resampling.BILINEAR, box)

    return change


def _border(share: float, grey: int) -> Change:
    """Shrink the image into a frame of one grey."""

    def change(image: Image.Image, _: np.random.Generator) -> Image.Image:
        margin = round(share * image.width)
        inner = (image.width - 2 * margin, image.height - 2 * margin)
        framed = Image.new("L", image.size, grey)
        framed.paste(image.resize(inner, Image.Resampling.BILINEAR), (margin, margin))
        return framed

    return change


def _marker(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Burn a side marker and a line of text into a corner."""
    marked = image.copy()
    draw = ImageDraw.Draw(marked)
    x = int(generator.choice([6, image.width - 50]))
    y = int(generator.choice([6, image.height - 34]))
    draw.text((x, y), str(generator.choice(["R", "L", "PA", "AP"])), fill=255, font_size=18)
    draw.text((x, y + 18), f"{generator.integers(10**6):06d}", fill=230, font_size=10)
    return marked


def _resampled(size: int, down: Image.Resampling, up: Image.Resampling) -> Change:
    return lambda image, _: image.resize((size, size), down).resize(image.size, up)


def _rotated(degrees: float) -> Change:
    def change(image: Image.Image, generator: np.random.Generator) -> Image.Image:
        side = float(generator.choice([-1, 1]))
        return image.rotate(side * degrees, Image.Resampling.BILINEAR)

    return change


SHIFTS = (
    NamedChange("contrast_low", _contrast(0.6)),
    NamedChange("contrast_high", _contrast(1.5)),
    NamedChange("gamma_dark", _curve(lambda grey: grey**1.6)),
    NamedChange("gamma_bright", _curve(lambda grey: grey**0.6)),
    NamedChange("brightness", _curve(lambda grey: grey + 0.15)),
    NamedChange("blur", _filter(ImageFilter.GaussianBlur(1.2))),
    NamedChange("sharpen", _filter(ImageFilter.UnsharpMask(2, 150, 0))),
    NamedChange("noise", _noise(8)),
    NamedChange("jpeg_quality", _jpeg(25)),
    NamedChange("crop", _crop(0.8, 0.8)),
    NamedChange("aspect", _crop(1.0, 0.75)),
    NamedChange("scale", _border(0.1, 0)),
    NamedChange("border_white", _border(0.06, 255)),
    NamedChange("marker", _marker),
    NamedChange(
        "resample_nearest", _resampled(140, Image.Resampling.NEAREST, Image.Resampling.NEAREST)
    ),
    NamedChange(
        "resample_lanczos", _resampled(112, Image.Resampling.LANCZOS, Image.Resampling.BICUBIC)
    ),
    NamedChange("rotation", _rotated(7)),
)
