"""JPEG, PNG, BMP, TIFF and WebP, decoded by Pillow."""

import struct
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from service.errors import NotAChestXray, TooLarge, UndecodableImage, UnsupportedType
from service.imaging.radiograph import Limits, PredictionWarning, Radiograph

# Pillow warns and raises at limits of its own; ours are checked here, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

SMALLEST_SIDE = 32

_OUT_OF_MEMORY = "out of memory"  # how Pillow's decoders say so, in an OSError without a number
# What Pillow's decoders raise on bytes that are not what they claim to be.
_DECODER_FAILURES = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
)

# A real progressive JPEG has about ten scans. Each costs a pass over all coefficients, so a small
# file with thousands of them would hold a core for minutes.
_MOST_JPEG_SCANS = 64

_SIGNIFICANT_BITS = (8, 10, 12, 14, 16)
_PNG_BIT_DEPTH_OFFSET = 24
_TIFF_BITS_PER_SAMPLE = 258
# Fax compressions hold black and white only, and libtiff prints a line for each line they break.
_FAX = frozenset(("tiff_ccitt", "group3", "group4", "tiff_raw_16"))
_TIFF_PHOTOMETRIC = 262
_TIFF_WHITE_IS_ZERO = 0
_SIDEWAYS = range(5, 9)  # EXIF orientations that swap rows and columns


def decode_jpeg(data: bytes, limits: Limits, at_least: int | None) -> Radiograph:
    """Baseline and progressive JPEG, 8 bits. Colour files are read as their luminance."""
    return _decode(data, "JPEG", limits, at_least)


def decode_png(data: bytes, limits: Limits, at_least: int | None) -> Radiograph:
    """Grey, colour or palette PNG of 1 to 16 bits, with or without alpha."""
    return _decode(data, "PNG", limits, at_least)


def decode_bmp(data: bytes, limits: Limits, at_least: int | None) -> Radiograph:
    """Windows bitmaps."""
    return _decode(data, "BMP", limits, at_least)


def decode_tiff(data: bytes, limits: Limits, at_least: int | None) -> Radiograph:
    """TIFF with integer samples of 1 to 16 bits, either photometric direction, first page.

    Any compression but those of fax.
    """
    return _decode(data, "TIFF", limits, at_least)


def decode_webp(data: bytes, limits: Limits, at_least: int | None) -> Radiograph:
    """Lossy and lossless WebP, first frame."""
    return _decode(data, "WEBP", limits, at_least)


def check_size(width: int, height: int, limits: Limits) -> None:
    """Refuse a picture by its announced size, before it is decoded.

    Raises:
        TooLarge: more pixels than the limit.
        NotAChestXray: a side below ``SMALLEST_SIDE`` pixels.
    """
    if width * height > limits.max_pixels:
        raise TooLarge(
            f"{width} x {height} pixels are more than the {limits.max_pixels / 1e6:g} megapixels "
            "that are accepted. Send a smaller copy."
        )
    if min(width, height) < SMALLEST_SIDE:
        raise NotAChestXray(
            f"{width} x {height} pixels are too few to show a chest. Send the original image."
        )


def _decode(data: bytes, name: str, limits: Limits, at_least: int | None) -> Radiograph:
    try:
        with Image.open(BytesIO(data), formats=[name]) as image:
            width, height = image.size
            check_size(width, height, limits)
            if name == "JPEG" and _has_many_scans(image, data):
                raise UndecodableImage(
                    "The JPEG has far more scans than any real image. Save it again."
                )
            if image.info.get("compression") in _FAX:
                raise UnsupportedType(
                    "A TIFF with fax compression is black and white, which no X-ray is. Send the "
                    "original image."
                )
            # Pillow announces TIFF sizes as they will be after turning, the others as stored
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            turned = name != "TIFF" and orientation in _SIDEWAYS
            bit_depth = _bit_depth(image, data, name)
            warnings = _warnings(image)
            if at_least is not None:
                # only JPEG does anything here; it also skips the colour planes
                image.draft("L", _reduced(width, height, at_least))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            grey, more = _grey(image)
    except _DECODER_FAILURES as error:
        if str(error).startswith(_OUT_OF_MEMORY):
            raise MemoryError from error
        raise UndecodableImage(
            f"The {name} image is truncated or corrupt. Send the complete, original file."
        ) from error
    if turned:
        width, height = height, width
    return Radiograph(grey, name, width, height, bit_depth, warnings + more)


def _has_many_scans(image: Image.Image, data: bytes) -> bool:
    """Whether a JPEG would be decoded in more passes than is reasonable.

    Counting takes a while, and the decoder itself refuses a second scan of a grey baseline file.
    """
    one_pass = image.mode == "L" and "progressive" not in image.info
    return not one_pass and data.count(b"\xff\xda") > _MOST_JPEG_SCANS


def _reduced(width: int, height: int, at_least: int) -> tuple[int, int]:
    """The smallest size of the same shape with both sides >= ``at_least``, or the size itself."""
    scale = min(width, height) / at_least
    return (width, height) if scale <= 1 else (int(width / scale), int(height / scale))


def _bit_depth(image: Image.Image, data: bytes, name: str) -> int:
    if name == "PNG":
        return data[_PNG_BIT_DEPTH_OFFSET]
    if name == "TIFF":
        return int(max(image.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (1,))))  # type: ignore[attr-defined]
    return 1 if image.mode == "1" else 8


def _warnings(image: Image.Image) -> tuple[PredictionWarning, ...]:
    frames = getattr(image, "n_frames", 1)
    if frames == 1:
        return ()
    return (
        PredictionWarning(
            "first_frame", f"The file holds {frames} images; only the first was read."
        ),
    )


def _grey(image: Image.Image) -> tuple[Image.Image, tuple[PredictionWarning, ...]]:
    """Any Pillow mode to 8-bit grey; transparent parts become black, as outside the field."""
    if image.mode in ("I", "F"):
        raise UnsupportedType(
            "32-bit samples have no agreed range. Send 8 or 16 bits a sample, or the DICOM file."
        )
    if image.mode.startswith("I;16"):
        samples = np.asarray(image).astype(np.uint16, copy=False)
        return _to_8_bits(samples, _counts_from_white(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    # converting a grey image would copy it
    return image if image.mode == "L" else image.convert("L"), ()


def _counts_from_white(image: Image.Image) -> bool:
    """Pillow turns 8-bit TIFF samples that count from white, but leaves 16-bit ones as they are."""
    tags = getattr(image, "tag_v2", {})
    return image.mode.startswith("I;16") and tags.get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO


def _to_8_bits(
    samples: NDArray[np.uint16], inverted: bool
) -> tuple[Image.Image, tuple[PredictionWarning, ...]]:
    """16-bit samples to 8 bits by the range they use: 8, 10, 12, 14 or 16 bits.

    Detectors give 10 to 14 bits and many tools store those unscaled in 16; dividing by 65535 would
    turn such an image nearly black. The range is a power of two, not the brightest pixel, so that
    a copy with other contrast stays another image.
    """
    brightest = int(samples.max())
    bits = next(bits for bits in _SIGNIFICANT_BITS if brightest < 1 << bits)
    scaled = np.rint(samples * np.float32(255 / ((1 << bits) - 1))).astype(np.uint8)
    if inverted:
        scaled = 255 - scaled
    grey = Image.fromarray(scaled)
    if bits == 16:
        return grey, ()
    sentence = (
        f"The 16-bit samples use no more than {bits} bits, so {bits} bits were taken as white."
    )
    return grey, (PredictionWarning("assumed_bit_depth", sentence),)
