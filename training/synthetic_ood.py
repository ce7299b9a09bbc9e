"""Synthetic out-of-distribution (OOD) images, which the input check learns to refuse.

Some are chest X-rays spoilt in ways that happen in practice (inverted, turned, cut, put together on
a sheet), some are drawn (pages of text, shapes, noise, gradients). Photographs and other anatomies
are not needed to fit the check; a folder of them measures it. The drawn ones ignore their chest
X-ray but for its size.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from service.imaging.radiograph import Pixels
from training.shifts import Change, NamedChange


def _transposed(turn: Image.Transpose) -> Change:
    return lambda chest, _: chest.transpose(turn).resize(chest.size)


def _inverted(chest: Image.Image, _: np.random.Generator) -> Image.Image:
    return chest.point([255 - grey for grey in range(256)])


def _tilted(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    degrees = float(generator.choice([-1, 1]) * generator.uniform(40, 80))
    return chest.rotate(degrees, Image.Resampling.BILINEAR)


def _detail(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """A window of 4 to 6 % of the area: some ribs, a shoulder, a piece of the belly."""
    side = float(np.sqrt(generator.uniform(0.04, 0.06)))
    left, top = generator.uniform(0, 1 - side, 2) * chest.size
    box = (left, top, left + side * chest.width, top + side * chest.height)
    return chest.resize(chest.size, Image.Resampling.BICUBIC, box)


def _collage(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Two to nine copies on one sheet."""
    columns, rows = generator.integers(1, 4, 2)
    if columns * rows == 1:
        columns = 2
    size = (chest.width // columns, chest.height // rows)
    sheet = Image.new("L", chest.size, int(generator.choice([0, 255])))
    small = chest.resize(size)
    for column in range(columns):
        for row in range(rows):
            sheet.paste(small, (column * size[0], row * size[1]))
    return sheet


def _screen(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """A photograph of a small image on a bright or dark page, which is lit from one side.

    On a wholly plain page the image would be a chest X-ray again, once its borders are cut off.
    """
    page = Image.new("L", chest.size, int(generator.choice([20, 200, 255])))
    light = Image.linear_gradient("L").rotate(generator.uniform(20, 70)).resize(chest.size)
    page = Image.blend(page, light, generator.uniform(0.15, 0.4))
    side = generator.uniform(0.25, 0.4)
    small = chest.resize((round(side * chest.width), round(side * chest.height)))
    room = np.array(chest.size) - small.size
    left, top = (generator.uniform(0, 1, 2) * room).astype(int).tolist()
    page.paste(small, (left, top))
    return page


def _text(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    dark, light = sorted(generator.integers(0, 256, 2).tolist())
    paper, ink = (light, dark) if generator.random() < 0.8 else (dark, light)
    page = Image.new("L", chest.size, max(paper, 180) if paper > ink else paper)
    draw = ImageDraw.Draw(page)
    size = int(generator.integers(6, 22))
    letters = list("abcdefghijklmnopqrstuvwxyz    ABCDEFG0123456789.,")
    for y in range(8, chest.height, round(size * generator.uniform(1.1, 1.8))):
        words = "".join(generator.choice(letters, int(generator.integers(10, 60))))
        draw.text((int(generator.integers(2, 40)), y), words, fill=ink, font_size=size)
    return page


def _shapes(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Lit, shaded objects on a background: what a photograph of things has in common."""
    scene = Image.new("L", chest.size, int(generator.integers(256)))
    draw = ImageDraw.Draw(scene)
    for _ in range(int(generator.integers(1, 12))):
        x, y = generator.uniform(-0.2, 1, 2) * chest.size
        width, height = generator.uniform(0.1, 0.8, 2) * chest.size
        box = (x, y, x + width, y + height)
        grey = int(generator.integers(256))
        if generator.random() < 0.6:
            draw.ellipse(box, fill=grey)
        else:
            draw.rectangle(box, fill=grey)
    scene = scene.filter(ImageFilter.GaussianBlur(generator.uniform(0, 8)))
    light = Image.linear_gradient("L").rotate(generator.uniform(0, 360)).resize(chest.size)
    return Image.blend(scene, light, generator.uniform(0, 0.5))


def _cloud(size: tuple[int, int], generator: np.random.Generator) -> Image.Image:
    """Noise with as much contrast at each scale, as the surfaces of things have it."""
    texture = np.zeros((size[1], size[0]))
    for cells in (2, 4, 8, 16, 32, 64, 128):
        grid = generator.normal(0, 1, (cells, cells)).astype(np.float32)
        layer = Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)
        texture += np.asarray(layer) * generator.uniform(0.2, 1)
    texture *= generator.uniform(3, 30) / texture.std()
    return Image.fromarray(np.clip(texture + generator.uniform(40, 220), 0, 255).astype(np.uint8))


def _paste_thing(
    scene: Image.Image, cloud: Pixels, generator: np.random.Generator, largest: float
) -> None:
    """One lit, roundish or many-cornered thing, with a piece of the cloud as its surface."""
    width, height = scene.size
    mask = Image.new("L", scene.size, 0)
    x, y = generator.uniform(0.1, 0.9, 2) * scene.size
    radius = generator.uniform(0.06, largest) * width
    corners = int(generator.integers(4, 40))
    angles = np.sort(generator.uniform(0, 2 * np.pi, corners))
    if corners > 10:  # evenly spread, it looks round
        angles = np.linspace(0, 2 * np.pi, corners)
    flat = generator.uniform(0.4, 1)
    radii = radius * generator.uniform(0.9, 1.1, corners)
    outline = np.stack([x + radii * np.cos(angles), y + flat * radii * np.sin(angles)], axis=1)
    ImageDraw.Draw(mask).polygon([tuple(point) for point in outline.tolist()], fill=255)
    turn = float(generator.uniform(0, 360))
    mask = mask.rotate(turn, Image.Resampling.BILINEAR, center=(x, y))
    # light falls off from one side, with a glint on some
    rows, columns = np.indices((height, width), np.float32)
    lit = np.hypot(columns - x + generator.normal(0, radius / 2), rows - y + radius / 3) / radius
    shade = np.clip(1.25 - generator.uniform(0, 0.6) * lit, 0, 1.3)
    moved = np.roll(cloud, generator.integers(0, height, 2).tolist(), (0, 1)).astype(np.float32)
    surface = (moved + generator.uniform(-60, 60)) * shade
    if generator.random() < 0.4:
        surface += 255 * np.exp(-((lit * generator.uniform(4, 10)) ** 2))
    thing = Image.fromarray(np.clip(surface, 0, 255).astype(np.uint8))
    scene.paste(thing, (0, 0), mask)


def _things(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """A few things on a bright or dark ground, as in a catalogue."""
    ground = int(generator.choice([255, 255, 245, 220, 128, 20, 0]))
    scene = Image.new("L", chest.size, ground)
    cloud = np.asarray(_cloud(chest.size, generator))
    for _ in range(int(generator.integers(1, 6))):
        _paste_thing(scene, cloud, generator, 0.42)
    return scene.filter(ImageFilter.GaussianBlur(generator.uniform(0, 1)))


def _scene(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Things before and behind each other ("dead leaves", Lee et al. 2001), as in a photograph."""
    scene = _cloud(chest.size, generator)
    cloud = np.asarray(_cloud(chest.size, generator))
    for _ in range(int(generator.integers(6, 20))):
        _paste_thing(scene, cloud, generator, 0.3)
    return scene.filter(ImageFilter.GaussianBlur(generator.uniform(0, 1.5)))


def _noise(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Noise from fine to cloudy."""
    cells = int(np.exp(generator.uniform(np.log(3), np.log(chest.width))))
    grey = generator.normal(generator.uniform(60, 190), generator.uniform(15, 90), (cells, cells))
    scene = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    return scene.resize(chest.size, Image.Resampling.BICUBIC)


def _flat(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """One grey, or a ramp."""
    low, high = generator.integers(0, 256, 2).tolist()
    ramp = Image.linear_gradient("L").rotate(int(generator.choice([0, 90, 180]))).resize(chest.size)
    return ramp.point([round(low + (high - low) * grey / 255) for grey in range(256)])


def _body_part(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Bright tapering bones in a grey sleeve on black: a limb, roughly."""
    scene = Image.new("L", chest.size, int(generator.integers(0, 30)))
    draw = ImageDraw.Draw(scene)
    width, height = chest.size
    middle = generator.uniform(0.35, 0.65) * width
    sleeve = generator.uniform(0.12, 0.3) * width
    draw.polygon(
        [
            (middle - sleeve, 0),
            (middle + sleeve, 0),
            (middle + sleeve * generator.uniform(0.6, 1), height),
            (middle - sleeve * generator.uniform(0.6, 1), height),
        ],
        fill=int(generator.integers(60, 130)),
    )
    for _ in range(int(generator.integers(1, 4))):
        x = middle + generator.uniform(-0.6, 0.6) * sleeve
        draw.line(
            [(x, 0), (x + generator.uniform(-15, 15), height)],
            fill=int(generator.integers(150, 250)),
            width=int(generator.integers(6, 24)),
        )
    scene = scene.filter(ImageFilter.GaussianBlur(generator.uniform(1, 4)))
    return scene.rotate(float(generator.uniform(-90, 90)), Image.Resampling.BILINEAR)


def _half(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """The left or the right half, as wide as the whole."""
    left = chest.width / 2 * int(generator.integers(2))
    box = (left, 0, left + chest.width / 2, chest.height)
    return chest.resize(chest.size, Image.Resampling.BILINEAR, box)


def _side_view(chest: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Both lungs over each other, as from the side: one half over the mirrored other."""
    width = chest.width // 2
    left = chest.crop((0, 0, width, chest.height))
    right = chest.crop((width, 0, 2 * width, chest.height))
    both = Image.blend(left, right.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 0.5)
    if generator.random() < 0.5:
        both = both.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    shown = round(chest.width * generator.uniform(0.6, 1))
    scene = Image.new("L", chest.size)
    scene.paste(both.resize((shown, chest.height)), ((chest.width - shown) // 2, 0))
    return scene


SPOILT = (
    NamedChange("inverted", _inverted),
    NamedChange("upside_down", _transposed(Image.Transpose.ROTATE_180)),
    NamedChange("turned_left", _transposed(Image.Transpose.ROTATE_90)),
    NamedChange("turned_right", _transposed(Image.Transpose.ROTATE_270)),
    NamedChange("flipped", _transposed(Image.Transpose.FLIP_TOP_BOTTOM)),
    NamedChange("tilted", _tilted),
    NamedChange("detail", _detail),
    NamedChange("collage", _collage),
    NamedChange("screen", _screen),
)
DRAWN = (
    NamedChange("text", _text),
    NamedChange("shapes", _shapes),
    NamedChange("things", _things),
    NamedChange("scene", _scene),
    NamedChange("noise", _noise),
    NamedChange("flat", _flat),
    NamedChange("body_part", _body_part),
)
SYNTHETIC_OOD = SPOILT + DRAWN
# chests that do not show two lungs side by side: the rule about the lungs is measured with them,
# and neither it nor the distance is fitted to them
PARTIAL = (NamedChange("half", _half), NamedChange("side_view", _side_view))
