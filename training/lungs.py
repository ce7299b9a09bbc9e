"""The lung localiser: a small network that says which pixels of a chest X-ray are lung.

It is fitted on lung masks, knows nothing of labels, and serves the input check (a frontal chest
X-ray shows two lungs, one on each side), the box that the service reports, and the share of the
evidence that lies outside the lungs. A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) on
separable convolutions, at so few pixels that it costs little beside the classifier.
"""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel

from service.imaging.radiograph import Pixels
from service.inference.contract import LungRule
from service.inference.lungs import LUNG, find_fault, measure
from training.data import DataError, Dataset
from training.shifts import apply, apply_in_turn
from training.synthetic_ood import DRAWN, PARTIAL, SYNTHETIC_OOD
from training.tone import mix_tones, partners

Masks = NDArray[np.bool_]

SIZE = 96
CHANNELS = (12, 24, 40, 56)
BATCH = 32
LOCALISER_FILE = "lungs.keras"
REPORT_FILE = "lungs.json"
FOLDS = 12  # one of which is held out
# share of clean and shifted chest X-rays that the rule is fitted to accept
ACCEPTED = 0.998
# what the limits leave below that, for hospitals never seen; lungs fill less of an adult's image
_ROOM_FOR_AREA, _ROOM = 0.4, 0.8
_RATE = 3e-3
_WITHOUT_LUNGS = 0.1  # share of drawn images without lungs
_SCALE = (0.7, 1.15)
_SHIFT = 0.12
_TONE = 0.5


class LocaliserReport(BaseModel):
    """What is known of a localiser, as ``lungs.json`` has it.

    Attributes:
        parameters: how many.
        images: with a mask, held out of the training.
        mean_overlap: mean intersection over union of found and given masks on those, 0..1.
        lowest_overlap: its lowest percentile.
        rule: fitted on those, clean and shifted.
        refused: by the rule, shares of those images clean, under another draw of the shifts, and
            made into chests without two lungs side by side or into other images.
    """

    parameters: int
    images: int
    mean_overlap: float
    lowest_overlap: float
    rule: LungRule
    refused: dict[str, float]


def lung_localiser() -> keras.Model:
    """An untrained localiser.

    Input float32 ``[N, 96, 96, 1]``, grey values 0..255; output the logit of lung, float32
    ``[N, 96, 96, 1]``.
    """
    image = layers.Input((SIZE, SIZE, 1), name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scaling")(image)
    skipped = []
    for level, channels in enumerate(CHANNELS):
        x = _convolutions(x, channels, f"down{level}")
        if level < len(CHANNELS) - 1:
            skipped.append(x)
            x = layers.MaxPooling2D(name=f"pool{level}")(x)
    for level, channels in reversed(list(enumerate(CHANNELS[:-1]))):
        # UpSampling2D repeats, which ONNX Runtime computes more slowly than a resize
        x = keras.ops.image.resize(x, (2 * x.shape[1], 2 * x.shape[2]), interpolation="nearest")
        x = layers.Concatenate(name=f"skip{level}")([x, skipped[level]])
        x = _convolutions(x, channels, f"up{level}")
    return keras.Model(image, layers.Conv2D(1, 1, name="lung")(x), name="lung_localiser")


def shrinking(size: int) -> NDArray[np.float32]:
    """A matrix that averages ``size`` pixels of a row or column into ``SIZE``, float32.

    ``S @ image @ S.T`` resizes by area, with no filter that a graph would have to know.
    """
    edges = np.linspace(0, size, SIZE + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares = np.clip(overlap, 0, None)
    averaging: NDArray[np.float32] = shares / shares.sum(axis=1, keepdims=True)
    return averaging.astype(np.float32)


def shrink(images: Pixels) -> NDArray[np.float32]:
    """uint8 ``[N, h, w, 1]`` to float32 ``[N, 96, 96, 1]``, as in the exported graph."""
    rows, columns = shrinking(images.shape[1]), shrinking(images.shape[2])
    small = np.stack([rows @ image[..., 0].astype(np.float32) @ columns.T for image in images])
    shrunk: NDArray[np.float32] = small[..., np.newaxis]
    return shrunk


def find_masks(data: Dataset, folder: Path) -> tuple[NDArray[np.int64], Masks]:
    """The lung masks of a data set's images, by file name.

    Args:
        data: the images.
        folder: masks as one-bit images, named as the images are but for the ending, in the frame
            of the images; not every image needs one.

    Returns:
        The rows of the images with a mask, int ``[M]``, and the masks, bool ``[M, 96, 96]``.

    Raises:
        DataError: no image has a mask there.
    """
    files = {file.stem: file for file in folder.glob("**/*.png")}
    rows = [row for row, one in enumerate(data.samples) if one.path.stem in files]
    if not rows:
        raise DataError(f"{folder} holds no mask of these images: name each <image's name>.png.")
    masks = []
    for row in rows:
        with Image.open(files[data.samples[row].path.stem]) as mask:
            small = mask.convert("L").resize((SIZE, SIZE), Image.Resampling.BOX)
        masks.append(np.asarray(small) >= 128)
    return np.array(rows), np.stack(masks)


def train_localiser(
    images: Pixels, masks: Masks, epochs: int = 10, seed: int = 0, quiet: bool = False
) -> keras.Model:
    """Fit a localiser on masks, and on drawn images that show no lungs.

    Args:
        images: uint8 ``[N, h, w, 1]``.
        masks: bool ``[N, 96, 96]``.
        epochs: passes over the images.
        seed: of weights, order and augmentation.
        quiet: print nothing.
    """
    keras.utils.set_random_seed(seed)
    drawn = images[np.random.default_rng(seed).permutation(len(images))]
    drawn = drawn[: max(1, int(_WITHOUT_LUNGS * len(images)))]
    parts = np.array_split(drawn, len(DRAWN))
    without = [apply(ood, part, seed) for ood, part in zip(DRAWN, parts, strict=True) if len(part)]
    grey = np.concatenate([shrink(images), *map(shrink, without)])
    lungs = np.concatenate([masks, np.zeros((len(grey) - len(masks), SIZE, SIZE), bool)])
    model = lung_localiser()
    steps = -(-len(grey) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(
        _RATE / 20,
        steps * epochs,
        alpha=0.02,
        warmup_target=_RATE,
        warmup_steps=steps * epochs // 10,
    )
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4), _dice_and_cross_entropy)
    for epoch in range(epochs):
        model.fit(
            _batches(grey, lungs, seed, epoch),
            steps_per_epoch=steps,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,  # the batches are shuffled already
            verbose=0 if quiet else 2,
        )
    return model


def find_lungs(model: keras.Model, images: Pixels) -> NDArray[np.float32]:
    """The probability of lung, float32 ``[N, 96, 96]``, of uint8 ``[N, h, w, 1]``."""
    logits = model.predict(shrink(images), batch_size=128, verbose=0)
    return np.asarray(keras.ops.sigmoid(logits))[..., 0]


def overlaps(found: NDArray[np.float32], masks: Masks) -> NDArray[np.float64]:
    """Intersection over union of each image, float64 ``[N]``, 0..1."""
    lung = found >= LUNG
    union = (lung | masks).sum(axis=(1, 2))
    both: NDArray[np.float64] = (lung & masks).sum(axis=(1, 2)) / np.maximum(union, 1)
    return both


def fit_rule(found: NDArray[np.float32]) -> LungRule:
    """Limits that leave room below what nearly all frontal chest X-rays show.

    Args:
        found: float32 ``[N, 96, 96]``, the probability of lung in chest X-rays that the localiser
            was not fitted on, clean and shifted.
    """
    shapes = [measure(mask) for mask in found]
    area, separation = np.quantile(
        [(shape.area, shape.separation) for shape in shapes], 1 - ACCEPTED, axis=0
    )
    return LungRule(least_area=_ROOM_FOR_AREA * area, least_separation=_ROOM * separation)


def refusals(model: keras.Model, rule: LungRule, images: Pixels) -> dict[str, float]:
    """The share of images that the rule refuses, as they are and changed."""
    sets = {"clean": images, "shifted": apply_in_turn(images, 4)}
    sets |= {ood.name: apply(ood, images, 1) for ood in (*PARTIAL, *SYNTHETIC_OOD)}
    return {
        name: float(
            np.mean(
                [find_fault(measure(mask), rule) is not None for mask in find_lungs(model, changed)]
            )
        )
        for name, changed in sets.items()
    }


def fit_localiser(
    data: Dataset,
    masks_folder: Path,
    folder: Path,
    epochs: int = 10,
    seed: int = 0,
    quiet: bool = False,
) -> LocaliserReport:
    """Train a localiser, measure it on held-out patients and fit the rule on them.

    Writes ``lungs.keras`` and ``lungs.json``.

    Args:
        data: chest X-rays, of which those with a mask are used.
        masks_folder: see :func:`find_masks`.
        folder: to write into.
        epochs: passes over the images.
        seed: of weights, order and augmentation.
        quiet: print nothing.

    Raises:
        DataError: no image has a mask, or fewer than ``FOLDS`` patients have.
    """
    rows, masks = find_masks(data, masks_folder)
    patients = np.unique(data.groups[rows], return_inverse=True)[1]
    if patients.max() + 1 < FOLDS:
        raise DataError(f"Masks of at least {FOLDS} patients are needed.")
    order = np.random.default_rng(0).permutation(patients.max() + 1)
    held_out = order[patients] % FOLDS == 0
    images = data.images[rows]
    model = train_localiser(images[~held_out], masks[~held_out], epochs, seed, quiet)
    unseen = images[held_out]
    found = find_lungs(model, unseen)
    shifted = [find_lungs(model, apply_in_turn(unseen, number)) for number in (1, 2, 3)]
    met = overlaps(found, masks[held_out])
    rule = fit_rule(np.concatenate([found, *shifted]))
    report = LocaliserReport(
        parameters=model.count_params(),
        images=len(met),
        mean_overlap=float(met.mean()),
        lowest_overlap=float(np.quantile(met, 0.01)),
        rule=rule,
        refused=refusals(model, rule, unseen),
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / LOCALISER_FILE)
    (folder / REPORT_FILE).write_text(report.model_dump_json(indent=2) + "\n")
    return report


def load_localiser(folder: Path) -> tuple[keras.Model, LungRule]:
    """What :func:`fit_localiser` wrote: the localiser and its rule.

    Raises:
        DataError: it wrote nothing there.
    """
    if not (folder / REPORT_FILE).is_file() or not (folder / LOCALISER_FILE).is_file():
        raise DataError(f"{folder} holds no lung localiser; make one with `pneumonia lungs`.")
    report = LocaliserReport.model_validate_json((folder / REPORT_FILE).read_bytes())
    return keras.models.load_model(folder / LOCALISER_FILE, compile=False), report.rule


def _convolutions(x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    for step in (1, 2):
        x = layers.SeparableConv2D(
            channels, 3, padding="same", use_bias=False, name=f"{name}_convolution{step}"
        )(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm{step}")(x)
        x = layers.ReLU(name=f"{name}_relu{step}")(x)
    return x


def _dice_and_cross_entropy(masks: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    masks = tf.cast(masks, tf.float32)
    found = tf.sigmoid(logits)
    axes = [1, 2, 3]
    both, either = tf.reduce_sum(masks * found, axes), tf.reduce_sum(masks + found, axes)
    # the constant lets an image without lungs have a loss of 0
    dice = 1 - (2 * both + 1) / (either + 1)
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(masks, logits)
    return dice + tf.reduce_mean(cross_entropy, axes)


def _batches(
    grey: NDArray[np.float32], masks: Masks, seed: int, epoch: int
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    order = np.random.default_rng((seed, epoch)).permutation(len(grey))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        drawn_by = tf.constant([seed * 1000 + epoch, start], tf.int64)
        yield _vary(
            tf.constant(grey[rows]),
            tf.constant(masks[rows, ..., np.newaxis], tf.float32),
            drawn_by,
        )


@tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
def _vary(images: tf.Tensor, masks: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Flip, scale and shift an image with its mask, and change its tones."""
    count = tf.shape(images)[0]
    draws = tf.random.stateless_uniform([9, count], seed)

    def between(row: int, low: float, high: float) -> tf.Tensor:
        return low + (high - low) * draws[row]

    mirror = tf.where(draws[0] < 0.5, -1.0, 1.0)
    across, down = 1 / between(1, *_SCALE), 1 / between(2, *_SCALE)
    middle = (SIZE - 1) / 2
    shift_x, shift_y = (between(row, -_SHIFT, _SHIFT) * SIZE for row in (3, 4))
    zero = tf.zeros_like(mirror)
    transforms = tf.stack(
        [
            mirror * across,
            zero,
            middle + shift_x - middle * mirror * across,
            zero,
            down,
            middle + shift_y - middle * down,
            zero,
            zero,
        ],
        axis=1,
    )
    together = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.concat([images / 255, masks], axis=-1),
        transforms=transforms,
        output_shape=[SIZE, SIZE],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    images, masks = together[..., :1], tf.cast(together[..., 1:] >= 0.5, tf.float32)
    references = tf.gather(images, partners(count, seed + 1))
    mixed = tf.cast(draws[5] < _TONE, tf.float32) * draws[6]
    images = mix_tones(images, references, mixed)
    images = tf.clip_by_value(images, 0.0, 1.0) ** between(7, 0.6, 1.7)[:, None, None, None]
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    images = mean + (images - mean) * between(8, 0.6, 1.5)[:, None, None, None]
    return tf.clip_by_value(images, 0.0, 1.0) * 255, masks
