"""From logits to calibrated probabilities, in NumPy and in the exported graph."""

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
    """Pneumonia and its subtype are calibrated separately: networks are surer of the former.

    The first label is normal. The log odds of all others together, divided by ``temperature`` and
    moved by ``offset``, give the probability of pneumonia (Platt 1999); the subtypes share it by
    the softmax of their logits over ``subtype_temperature`` (Guo et al. 2017, arXiv:1706.04599).
    The defaults give the plain softmax.

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
        pneumonia = self.pneumonia(logits)[..., np.newaxis]
        tempered = np.asarray(logits, np.float64)[..., 1:] / self.subtype_temperature
        subtypes = softmax(tempered, axis=-1)
        return np.concatenate([1 - pneumonia, pneumonia * subtypes], axis=-1)

    def logits(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Logits that have these probabilities ``[..., C]``, that of normal being 0."""
        known = np.clip(np.asarray(probabilities, np.float64), _SMALLEST, 1)
        pneumonia = known[..., 1:].sum(axis=-1, keepdims=True)
        odds = self.temperature * (np.log(pneumonia / known[..., :1]) - self.offset)
        subtypes = self.subtype_temperature * np.log(known[..., 1:])
        subtypes += odds - logsumexp(subtypes, axis=-1, keepdims=True)
        return np.concatenate([np.zeros_like(odds), subtypes], axis=-1)


def log_odds(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Natural logarithm of the odds of pneumonia by the plain softmax, float64 ``[...]``."""
    exact = np.asarray(logits, np.float64)
    odds: NDArray[np.float64] = logsumexp(exact[..., 1:], axis=-1) - exact[..., 0]
    return odds


def add_probabilities(graph: onnx.ModelProto, scaling: Scaling) -> None:
    """Replace the output ``logits`` of the given graph by ``probabilities``."""
    constants: dict[str, NDArray[np.generic]] = {
        **_numbers(scaling),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "end": np.array([_LAST], np.int64),
        "zero": np.array([0], np.float32),
    }
    graph.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    node = helper.make_node
    graph.graph.node.extend(
        (
            node("Slice", ["logits", "first", "second", "second"], ["normal_logit"]),
            node("Slice", ["logits", "second", "end", "second"], ["subtype_logits"]),
            node("ReduceLogSumExp", ["subtype_logits", "second"], ["pneumonia_logit"], keepdims=1),
            node("Sub", ["pneumonia_logit", "normal_logit"], ["odds"]),
            node("Div", ["odds", "temperature"], ["tempered"]),
            node("Add", ["tempered", "offset"], ["scaled"]),
            # a softmax keeps small probabilities, which the runtime's sigmoid rounds to 0
            node("Mul", ["scaled", "zero"], ["no_odds"]),
            node("Concat", ["no_odds", "scaled"], ["both"], axis=1),
            node("Softmax", ["both"], ["normal_or_pneumonia"], axis=1),
            node("Slice", ["normal_or_pneumonia", "first", "second", "second"], ["normal"]),
            node("Slice", ["normal_or_pneumonia", "second", "end", "second"], ["pneumonia"]),
            node("Div", ["subtype_logits", "subtype_temperature"], ["tempered_subtypes"]),
            node("Softmax", ["tempered_subtypes"], ["subtypes"], axis=1),
            node("Mul", ["subtypes", "pneumonia"], ["shares"]),
            node("Concat", ["normal", "shares"], ["probabilities"], axis=1),
        )
    )
    graph.graph.output[0].name = "probabilities"


def has_scaling(graph: onnx.ModelProto) -> bool:
    """Whether a graph has the constants that :func:`set_scaling` changes."""
    return set(_numbers(Scaling())) <= {_constant(weight) for weight in graph.graph.initializer}


def set_scaling(graph: onnx.ModelProto, scaling: Scaling) -> None:
    """Change the scaling inside a graph.

    Raises:
        ValueError: the graph has none.
    """
    missing = _numbers(scaling)
    for weight in graph.graph.initializer:
        if _constant(weight) in missing:
            value = missing.pop(_constant(weight))
            weight.CopyFrom(numpy_helper.from_array(value, weight.name))
    if missing:
        raise ValueError(f"the graph has no initializer named {', '.join(missing)}")


def _constant(weight: onnx.TensorProto) -> str:
    # graphs made before 2026-11-27 have the older name
    return "subtype_temperature" if weight.name == "kind_temperature" else str(weight.name)


def _numbers(scaling: Scaling) -> dict[str, NDArray[np.float32]]:
    return {
        "temperature": np.array([scaling.temperature], np.float32),
        "offset": np.array([scaling.offset], np.float32),
        "subtype_temperature": np.array([scaling.subtype_temperature], np.float32),
    }
