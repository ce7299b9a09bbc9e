"""The input check: a distance in the network's own features, fitted after training.

Features are the global averages of a few layers, early ones for texture, late ones for anatomy,
each brought to the scale of chest X-rays and squashed by a hyperbolic tangent: single channels that
a marker or a white border excites would otherwise outweigh all others. The squashed features are
projected to a few dimensions in which chest X-rays have zero mean and unit covariance; there the
plain length is the Mahalanobis distance (Lee et al. 2018, arXiv:1807.03888). Each axis then gets a
weight that is learnt from synthetic out-of-distribution (OOD) images but never falls below a floor,
so that other OOD images are still far away. In the graph all of it is one small matrix product.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from service.imaging.radiograph import Pixels
from training.architectures import stages
from training.configuration import INPUT_CHECK_FILE
from training.data import Dataset, model_inputs
from training.shifts import apply, apply_in_turn
from training.synthetic_ood import SYNTHETIC_OOD

Features: TypeAlias = NDArray[np.float64]

LAYERS = (
    "block2_project_norm",
    "block4_add",
    "block7_add",
    "block10_add",
    "block14_add",
    "features",
)
DIMENSIONS = 128
# share of shifted chest X-rays that the limit accepts
ACCEPTED = 0.998
REPORT_FILE = "input_check.json"
_CHESTS = 1500
_IMAGES_PER_OOD = 150
_FLOOR = 0.2
_SHRINKAGE = 0.02
_SPREAD_FLOOR = 0.2
_SMALLEST_SPREAD = 1e-6  # of channels that none of few images excites
_SQUASH = 3.0  # standard deviations


@dataclass(frozen=True)
class InputCheck:
    """A fitted check.

    Attributes:
        layers: whose global averages, concatenated, are the features.
        centre: float64 ``[F]``, the mean of chest X-rays.
        scale: float64 ``[F]``, > 0; a feature this far from the centre is squashed to tanh(1).
        projection: float64 ``[D, F]``, of squashed features.
        offset: float64 ``[D]``, where the mean chest X-ray is projected to.
        limit: the largest distance that is accepted.
    """

    layers: tuple[str, ...]
    centre: Features
    scale: Features
    projection: Features
    offset: Features
    limit: float

    def save(self, file: Path) -> None:
        """Write everything into one ``.npz`` file."""
        np.savez_compressed(
            file,
            layers=np.array(self.layers),
            centre=self.centre,
            scale=self.scale,
            projection=self.projection,
            offset=self.offset,
            limit=self.limit,
        )

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            OSError: there is no such file.
        """
        with np.load(file) as kept:
            return cls(
                tuple(kept["layers"].tolist()),
                kept["centre"],
                kept["scale"],
                kept["projection"],
                kept["offset"],
                float(kept["limit"]),
            )

    def single_precision(self) -> "InputCheck":
        """The same with float32 arrays, as a graph has them."""
        names = ("centre", "scale", "projection", "offset")
        return replace(self, **{name: getattr(self, name).astype(np.float32) for name in names})

    def distance(self, features: Features) -> Features:
        """Of ``[N, F]`` features, float64 ``[N]``, >= 0."""
        squashed = np.tanh((features - self.centre) / self.scale)
        lengths: Features = np.linalg.norm(squashed @ self.projection.T - self.offset, axis=1)
        return lengths


def feature_extractor(
    model: keras.Model, layers: tuple[str, ...] = LAYERS
) -> Callable[[Pixels], Features]:
    """A function from uint8 ``[N, size, size, 1]`` to float64 ``[N, F]`` of these layers."""
    pooled = [keras.ops.mean(model.get_layer(name).output, axis=(1, 2)) for name in layers]
    network = keras.Model(model.input, keras.ops.concatenate(pooled, axis=1))

    def extract(images: Pixels) -> Features:
        return np.asarray(network.predict(images, batch_size=64, verbose=0), np.float64)

    return extract


def fit(
    chests: Features, synthetic: Features, held_out: Features, layers: tuple[str, ...] = LAYERS
) -> InputCheck:
    """Fit centre, projection and limit.

    Args:
        chests: ``[N, F]`` features of chest X-rays, clean and shifted.
        synthetic: ``[M, F]`` features of synthetic OOD images, of each type equally many.
        held_out: ``[K, F]`` features of other patients' chest X-rays, clean and shifted; the limit
            accepts ``ACCEPTED`` of them.
        layers: what the features are.
    """
    centre, spread = chests.mean(axis=0), chests.std(axis=0)
    # a channel that no chest X-ray excites would otherwise outweigh all others
    scale = _SQUASH * (spread + _SPREAD_FLOOR * np.median(spread) + _SMALLEST_SPREAD)
    inside, outside = (np.tanh((rows - centre) / scale) for rows in (chests, synthetic))
    mean = inside.mean(axis=0)
    inside, outside = inside - mean, outside - mean
    # axes along which chests and synthetic images together vary most
    both = np.concatenate([inside, outside * np.sqrt(len(inside) / len(outside))])
    axes = np.linalg.svd(both, full_matrices=False)[2][:DIMENSIONS]
    covariance = np.cov((inside @ axes.T).T)
    covariance += _SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    whitening = np.linalg.inv(np.linalg.cholesky(covariance)) @ axes
    # along the axes in which the synthetic images stick out, one weight for each axis is enough
    turned = np.linalg.svd(outside @ whitening.T, full_matrices=False)[2] @ whitening
    weights = _weights((inside @ turned.T) ** 2, (outside @ turned.T) ** 2)
    projection = np.sqrt(weights)[:, np.newaxis] * turned
    unlimited = InputCheck(layers, centre, scale, projection, projection @ mean, np.inf)
    limit = float(np.quantile(unlimited.distance(held_out), ACCEPTED))
    return replace(unlimited, limit=limit)


def prepare(model: keras.Model, training: Dataset, validation: Dataset, folder: Path) -> None:
    """Fit the check of a trained network and write the run's ``input_check.npz`` and ``.json``.

    The JSON holds the share that is refused of each type of synthetic OOD image and of the clean
    and shifted validation images, and the distances of the latter as a histogram.
    """
    layers = LAYERS if model.name == "efficientnet_lite0" else stages(model)
    extract = feature_extractor(model, layers)
    size = model.input_shape[1]

    def features(images: Pixels) -> Features:
        return extract(model_inputs(images, size))

    generator = np.random.default_rng(0)
    known = training.images[generator.permutation(len(training))[:_CHESTS]]
    chests = np.concatenate([features(known), features(apply_in_turn(known, 0))])
    few = known[:_IMAGES_PER_OOD]
    fitted = fit(
        chests,
        np.concatenate([features(apply(ood, few, 0)) for ood in SYNTHETIC_OOD]),
        np.concatenate([features(apply_in_turn(validation.images, seed)) for seed in (1, 2)]),
        layers,
    )
    fitted.save(folder / INPUT_CHECK_FILE)
    held_out = validation.images[:: max(1, len(validation) // _IMAGES_PER_OOD)]
    sets = {"clean": validation.images, "shifted": apply_in_turn(validation.images, 3)}
    sets |= {ood.name: apply(ood, held_out, 1) for ood in SYNTHETIC_OOD}
    distances = {name: fitted.distance(features(images)) for name, images in sets.items()}
    report = {
        "limit": fitted.limit,
        "refused": {name: float((d > fitted.limit).mean()) for name, d in distances.items()},
        "median_distance": {name: float(np.median(d)) for name, d in distances.items()},
        "reference_histogram": _histogram(distances["shifted"], fitted.limit),
    }
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n")


def _histogram(distances: Features, limit: float) -> dict[str, list[float]]:
    """Of chest X-rays, up to twice the limit; larger distances count in the last bin."""
    edges = np.linspace(0, 2 * limit, 21)
    counts, _ = np.histogram(np.minimum(distances, edges[-1]), edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _weights(chests: Features, synthetic: Features) -> Features:
    """Weights >= ``_FLOOR`` of squared axes that tell chests from synthetic images (logistic)."""
    values = np.concatenate([chests, synthetic])
    sign = np.concatenate([np.full(len(chests), -1.0), np.ones(len(synthetic))])
    share = np.where(sign < 0, 1 / len(chests), 1 / len(synthetic))

    def loss(parameters: Features) -> tuple[float, Features]:
        weights, offset = parameters[:-1], parameters[-1]
        margin = sign * (values @ weights - offset)
        slope = -sign * share / (1 + np.exp(np.clip(margin, -30, 30)))
        gradient = np.append(slope @ values, -slope.sum()) + np.append(2e-4 * weights, 0)
        value = (share * np.logaddexp(0, -margin)).sum() + 1e-4 * (weights**2).sum()
        return float(value), gradient

    start = np.append(np.full(values.shape[1], _FLOOR), _FLOOR * np.median(chests.sum(axis=1)) * 2)
    bounds = [(_FLOOR, None)] * values.shape[1] + [(0, None)]
    solved: Features = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return solved[:-1]
