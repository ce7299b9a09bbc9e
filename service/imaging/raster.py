"""JPEG, PNG, BMP, TIFF and WebP, decoded by Pillow."""

import struct
from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from service.errors import NotAChestXray, TooLarge, UndecodableImage, UnsupportedType
from service.imaging import file_structure, sixteen_bits
from service.imaging.radiograph import Limits, PredictionWarning, Radiograph

# Pillow warns and raises at limits of its own; ours are checked here, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

SMALLEST_SIDE = 32

# The most memory that decoding takes, by measurement of every form: that of 8-bit colour, whose
# pixels Pillow holds in four bytes, and a grey copy. Those of `_is_heavy` take up to three times
# as much, and may have that many fewer pixels.
BYTES_A_PIXEL = 5.5
_HEAVY = 3

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

_PNG_BIT_DEPTH_OFFSET = 24
_TIFF_BITS_PER_SAMPLE = 258
_TIFF_PHOTOMETRIC = 262
_TIFF_WHITE_IS_ZERO = 0

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = range(5, 9)  # orientations that swap rows and columns

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")

# of a TIFF: each is parsed to find the largest
_MOST_PAGES = 64

# Metadata never matters, however broken: what is left when it is taken out is decoded instead.
_WITHOUT_METADATA: dict[str, Callable[[bytes], bytes]] = {
    "JPEG": file_structure.without_jpeg_metadata,
    "PNG": file_structure.without_png_metadata,
}


def check_size(width: int, height: int, limits: Limits, heavy: bool = False) -> None:
    """Refuse an image by its announced size, before it is decoded.

    Args:
        width: columns.
        height: rows.
        limits: what may be decoded.
        heavy: whether its form takes three times the memory of others.

    Raises:
        TooLarge: more pixels than the limit.
        NotAChestXray: a side below ``SMALLEST_SIDE`` pixels.
    """
    most = limits.max_pixels // (_HEAVY if heavy else 1)
    if width * height > most:
        form, remedy = (" in this form", "Send it as grey PNG, or") if heavy else ("", "Send")
        raise TooLarge(
            f"{width} x {height} pixels are more than the {most / 1e6:.3g} megapixels that are "
            f"accepted{form}. {remedy} a smaller copy."
        )
    if min(width, height) < SMALLEST_SIDE:
        raise NotAChestXray(
            f"{width} x {height} pixels are too few to show a chest. Send the original image."
        )


def decode(name: str, data: bytes, limits: Limits, at_least: int | None) -> Radiograph:
    """Decode a file of one of ``FORMATS``.

    JPEG may be baseline or progressive; PNG grey, colour or palette of 1 to 16 bits, with or
    without alpha; TIFF has unsigned samples of 1 to 16 bits and either photometric direction, and
    its largest page counts; of WebP it is the first frame. Colour is read as its luminance.

    Args and errors: as :func:`service.imaging.decode.decode`.
    """
    try:
        return _decode_as_it_is(data, name, limits, at_least)
    except UndecodableImage:
        plain = _WITHOUT_METADATA.get(name, bytes)(data)
        if len(plain) == len(data):
            raise
        return _decode_as_it_is(plain, name, limits, at_least)


def _decode_as_it_is(data: bytes, name: str, limits: Limits, at_least: int | None) -> Radiograph:
    try:
        with _open(data, name) as image:
            warnings = _choose_frame(image, name)
            page = image.tell()
            width, height = image.size
            check_size(width, height, limits, _is_heavy(image, name))
            if name == "JPEG" and _has_many_scans(image, data):
                raise UndecodableImage(
                    "The JPEG has far more scans than any real image. Save it again."
                )
            bit_depth = _bit_depth(image, data, name)
            if at_least is not None:
                # only JPEG does anything here; it also skips the colour planes
                image.draft("L", _reduced(width, height, at_least))
            grey, more = _grey(image, lambda: _open(data, name, page))
            # Pillow turns TIFF images itself, and announces their size as it will be then
            orientation = 1 if name == "TIFF" else _orientation(image)
    except _DECODER_FAILURES as error:
        if str(error).startswith(_OUT_OF_MEMORY):
            raise MemoryError from error
        if str(error).lower().startswith("unsupported"):  # how Pillow begins what it does not read
            raise UnsupportedType(
                f"This form of {name} is not read. {file_structure.SEND_INSTEAD}"
            ) from error
        raise UndecodableImage(
            f"The {name} image is truncated or corrupt. Send the complete, original file."
        ) from error
    if orientation in _TRANSPOSITIONS:
        grey = grey.transpose(_TRANSPOSITIONS[orientation])
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Radiograph(grey, name, width, height, bit_depth, warnings + more)


def _open(data: bytes, name: str, page: int = 0) -> ImageFile.ImageFile:
    """Open an image whose form is read; nothing is decoded yet.

    Raises:
        UnsupportedType: an intact file of another form.
    """
    if name == "JPEG":
        file_structure.check_jpeg(data)
    if name == "PNG":
        file_structure.check_png(data)
    if name == "TIFF":
        file_structure.check_tiff(file_structure.tiff_tags(data))
    try:
        image = Image.open(BytesIO(data), formats=[name])
    except UnidentifiedImageError:
        if name == "TIFF":
            raise file_structure.unread_tiff(file_structure.tiff_tags(data)) from None
        raise
    image.seek(page)
    return image


def _choose_frame(image: ImageFile.ImageFile, name: str) -> tuple[PredictionWarning, ...]:
    """Go to the largest page of a TIFF, whose others are copies of it in small; else stay.

    Where several are the largest it is the first of them, like the first frame of other formats.
    """
    if name != "TIFF":
        frames = getattr(image, "n_frames", 1)
        sentence = f"The file holds {frames} images; only the first was read."
        return (PredictionWarning("first_frame", sentence),) if frames > 1 else ()
    sizes = [image.width * image.height]
    try:
        for page in range(1, _MOST_PAGES):
            image.seek(page)
            sizes.append(image.width * image.height)
    except EOFError:
        pass
    page = sizes.index(max(sizes))
    image.seek(page)
    if len(sizes) == 1:
        return ()
    file_structure.check_tiff(image.tag_v2)  # type: ignore[attr-defined]
    sentence = f"The file holds {len(sizes)} pages or more; page {page + 1}, the largest, was read."
    return (PredictionWarning("first_frame", sentence),)


def _orientation(image: ImageFile.ImageFile) -> int:
    """The Exif orientation, 1 to 8; 1 where there is none or the Exif data cannot be read."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DECODER_FAILURES:
        return 1
    return orientation if orientation in _TRANSPOSITIONS else 1


def _has_many_scans(image: Image.Image, data: bytes) -> bool:
    """Whether a JPEG would be decoded in more passes than is reasonable.

    Counting takes a while, and the decoder itself refuses a second scan of a grey baseline file.
    """
    one_pass = image.mode == "L" and "progressive" not in image.info
    return not one_pass and data.count(b"\xff\xda") > _MOST_JPEG_SCANS


def _is_heavy(image: ImageFile.ImageFile, name: str) -> bool:
    """Whether decoding takes much more memory than :data:`BYTES_A_PIXEL`.

    WebP has canvases for an animation; samples of 16 bits are read in two passes; a compressed TIFF
    may be one strip, and a progressive JPEG is held as the coefficients of all its colours.
    """
    if name == "WEBP" or sixteen_bits.is_colour(image):
        return True
    colour = len(image.getbands()) > 1
    if name == "TIFF":
        return colour and image.info.get("compression") != "raw"
    return name == "JPEG" and colour and "progressive" in image.info


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


def _grey(
    image: ImageFile.ImageFile, reopen: Callable[[], ImageFile.ImageFile]
) -> tuple[Image.Image, tuple[PredictionWarning, ...]]:
    """Any Pillow mode to 8-bit grey; transparent parts become black, as outside the field."""
    tags = getattr(image, "tag_v2", None)
    opaque = tags is not None and file_structure.has_undeclared_bands(tags)
    if sixteen_bits.is_colour(image):
        return sixteen_bits.to_8_bits(sixteen_bits.read_colour(image, reopen, opaque))
    image.load()
    if image.mode.startswith("I;16"):
        samples = np.asarray(image).astype(np.uint16, copy=False)
        return sixteen_bits.to_8_bits(samples, _counts_from_white(image))
    if image.has_transparency_data and not opaque:
        return _on_black(image), ()
    # converting a grey image would copy it
    return image if image.mode == "L" else image.convert("L"), ()


def _on_black(image: Image.Image) -> Image.Image:
    """The grey of an image with transparency over black."""
    grey = Image.new("L", image.size)
    for _, box in sixteen_bits.strips(image):
        rgba = image.crop(box).convert("RGBA")
        black = Image.new("RGBA", rgba.size, "black")
        grey.paste(Image.alpha_composite(black, rgba).convert("L"), box)
    return grey


def _counts_from_white(image: Image.Image) -> bool:
    """Pillow turns 8-bit TIFF samples that count from white, but leaves 16-bit ones as they are."""
    return getattr(image, "tag_v2", {}).get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO
