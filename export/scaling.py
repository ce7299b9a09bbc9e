"""From logits to calibrated probabilities by three numbers, in NumPy and in the exported graph."""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from scipy.special import expit, logsumexp, softmax

_LAST = np.iinfo(np.int64).max
_SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Scaling:
    """Whether it is pneumonia and which kind are calibrated apart: the one is surer than the other.

    The first label is normal. The log odds of all others together, divided by ``temperature`` and
    moved by ``offset``, give the probability of pneumonia (Platt 1999); the kinds share it by the
    softmax of their logits over ``subtype_temperature`` (Guo et al. 2017, arXiv:1706.04599). As
    they stand by default, all three together are the plain softmax.

    Attributes:
        temperature: > 0.
        offset: natural logarithm of odds.
        subtype_temperature: > 0.
    """

    temperature: float = 1.0
    offset: float = 0.0
    subtype_temperature: float = 1.0

    def pneumonia(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probability of pneumonia of logits ``[..., C]``, float64 ``[...]``."""
        values: NDArray[np.float64] = expit(log_odds(logits) / self.temperature + self.offset)
        return values

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities of logits ``[..., C]``, float64 of the same shape."""
        ill = self.pneumonia(logits)[..., np.newaxis]
        kinds = softmax(np.asarray(logits, np.float64)[..., 1:] / self.subtype_temperature, axis=-1)
        return np.concatenate([1 - ill, ill * kinds], axis=-1)

    def logits(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Logits that have these probabilities ``[..., C]``, that of normal being 0."""
        known = np.clip(np.asarray(probabilities, np.float64), _SMALLEST, 1)
        ill = known[..., 1:].sum(axis=-1, keepdims=True)
        odds = self.temperature * (np.log(ill / known[..., :1]) - self.offset)
        kinds = self.subtype_temperature * np.log(known[..., 1:])
        kinds += odds - logsumexp(kinds, axis=-1, keepdims=True)
        return np.concatenate([np.zeros_like(odds), kinds], axis=-1)


def log_odds(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Natural logarithm of the odds of pneumonia by the plain softmax, float64 ``[...]``."""
    exact = np.asarray(logits, np.float64)
    odds: NDArray[np.float64] = logsumexp(exact[..., 1:], axis=-1) - exact[..., 0]
    return odds


def add_probabilities(graph: onnx.ModelProto, scaling: Scaling) -> None:
    """Put ``probabilities`` in the place of the output ``logits``, in the given graph."""
    constants: dict[str, NDArray[np.generic]] = {
        **_numbers(scaling),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "end": np.array([_LAST], np.int64),
        "nothing": np.array([0], np.float32),
    }
    graph.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    node = helper.make_node
    graph.graph.node.extend(
        (
            node("Slice", ["logits", "first", "second", "second"], ["well"]),
            node("Slice", ["logits", "second", "end", "second"], ["ill"]),
            node("ReduceLogSumExp", ["ill", "second"], ["any_ill"], keepdims=1),
            node("Sub", ["any_ill", "well"], ["odds"]),
            node("Div", ["odds", "temperature"], ["cooled"]),
            node("Add", ["cooled", "offset"], ["moved"]),
            # a softmax keeps small probabilities, which the runtime's sigmoid rounds to 0
            node("Mul", ["moved", "nothing"], ["still"]),
            node("Concat", ["still", "moved"], ["both"], axis=1),
            node("Softmax", ["both"], ["whether"], axis=1),
            node("Slice", ["whether", "first", "second", "second"], ["normal"]),
            node("Slice", ["whether", "second", "end", "second"], ["pneumonia"]),
            node("Div", ["ill", "subtype_temperature"], ["cooled_kinds"]),
            node("Softmax", ["cooled_kinds"], ["kinds"], axis=1),
            node("Mul", ["kinds", "pneumonia"], ["shares"]),
            node("Concat", ["normal", "shares"], ["probabilities"], axis=1),
        )
    )
    graph.graph.output[0].name = "probabilities"


def has_scaling(graph: onnx.ModelProto) -> bool:
    """Whether a graph has the numbers that :func:`set_scaling` changes."""
    return set(_numbers(Scaling())) <= {weight.name for weight in graph.graph.initializer}


def set_scaling(graph: onnx.ModelProto, scaling: Scaling) -> None:
    """Give a graph with calibrated probabilities other numbers.

    Raises:
        ValueError: the graph has none.
    """
    missing = _numbers(scaling)
    for weight in graph.graph.initializer:
        if weight.name in missing:
            weight.CopyFrom(numpy_helper.from_array(missing.pop(weight.name), weight.name))
    if missing:
        raise ValueError(f"the graph has no initializer named {', '.join(missing)}")


def _numbers(scaling: Scaling) -> dict[str, NDArray[np.float32]]:
    return {
        "temperature": np.array([scaling.temperature], np.float32),
        "offset": np.array([scaling.offset], np.float32),
        "subtype_temperature": np.array([scaling.subtype_temperature], np.float32),
    }
