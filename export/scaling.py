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
    """Disease and its subtype are calibrated separately: networks are surer of the former.

    The first labels are those without disease. The log odds of all others together, divided by
    ``temperature`` and moved by ``offset``, give the probability of disease (Platt 1999); the
    labels of each side share its probability by the softmax of their logits over
    ``subtype_temperature`` (Guo et al. 2017, arXiv:1706.04599). The defaults give the plain
    softmax.

    Attributes:
        temperature: > 0.
        offset: natural logarithm of odds.
        subtype_temperature: > 0.
        negatives: how many labels do not count as disease.
    """

    temperature: float = 1.0
    offset: float = 0.0
    subtype_temperature: float = 1.0
    negatives: int = 1

    def pneumonia(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probability of disease of logits ``[..., C]``, float64 ``[...]``."""
        odds = log_odds(logits, self.negatives)
        values: NDArray[np.float64] = expit(odds / self.temperature + self.offset)
        return values

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities of logits ``[..., C]``, float64 of the same shape."""
        pneumonia = self.pneumonia(logits)[..., np.newaxis]
        tempered = np.asarray(logits, np.float64) / self.subtype_temperature
        healthy = softmax(tempered[..., : self.negatives], axis=-1)
        subtypes = softmax(tempered[..., self.negatives :], axis=-1)
        return np.concatenate([(1 - pneumonia) * healthy, pneumonia * subtypes], axis=-1)

    def logits(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Logits that have these probabilities ``[..., C]``, those without disease adding up to 0
        as logarithms of sums.
        """
        known = np.clip(np.asarray(probabilities, np.float64), _SMALLEST, 1)
        negative, positive = known[..., : self.negatives], known[..., self.negatives :]
        sums = [side.sum(axis=-1, keepdims=True) for side in (negative, positive)]
        odds = self.temperature * (np.log(sums[1] / sums[0]) - self.offset)
        sides = [self.subtype_temperature * np.log(side) for side in (negative, positive)]
        sides = [side - logsumexp(side, axis=-1, keepdims=True) for side in sides]
        return np.concatenate([sides[0], sides[1] + odds], axis=-1)


def log_odds(logits: NDArray[np.floating], negatives: int = 1) -> NDArray[np.float64]:
    """Natural logarithm of the odds of disease by the plain softmax, float64 ``[...]``."""
    exact = np.asarray(logits, np.float64)
    odds: NDArray[np.float64] = logsumexp(exact[..., negatives:], axis=-1) - logsumexp(
        exact[..., :negatives], axis=-1
    )
    return odds


def add_probabilities(graph: onnx.ModelProto, scaling: Scaling) -> None:
    """Replace the output ``logits`` of the given graph by ``probabilities``."""
    constants: dict[str, NDArray[np.generic]] = {
        **_numbers(scaling),
        "start": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "first_positive": np.array([scaling.negatives], np.int64),
        "end": np.array([_LAST], np.int64),
        "zero": np.array([0], np.float32),
    }
    graph.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    node = helper.make_node
    graph.graph.node.extend(
        (
            node("Slice", ["logits", "start", "first_positive", "one"], ["healthy_logits"]),
            node("Slice", ["logits", "first_positive", "end", "one"], ["subtype_logits"]),
            node("ReduceLogSumExp", ["healthy_logits", "one"], ["healthy_logit"], keepdims=1),
            node("ReduceLogSumExp", ["subtype_logits", "one"], ["pneumonia_logit"], keepdims=1),
            node("Sub", ["pneumonia_logit", "healthy_logit"], ["odds"]),
            node("Div", ["odds", "temperature"], ["tempered"]),
            node("Add", ["tempered", "offset"], ["scaled"]),
            # a softmax keeps small probabilities, which the runtime's sigmoid rounds to 0
            node("Mul", ["scaled", "zero"], ["no_odds"]),
            node("Concat", ["no_odds", "scaled"], ["both"], axis=1),
            node("Softmax", ["both"], ["healthy_or_pneumonia"], axis=1),
            node("Slice", ["healthy_or_pneumonia", "start", "one", "one"], ["healthy"]),
            node("Slice", ["healthy_or_pneumonia", "one", "end", "one"], ["pneumonia"]),
            node("Div", ["healthy_logits", "subtype_temperature"], ["tempered_healthy"]),
            node("Softmax", ["tempered_healthy"], ["healthy_labels"], axis=1),
            node("Mul", ["healthy_labels", "healthy"], ["healthy_shares"]),
            node("Div", ["subtype_logits", "subtype_temperature"], ["tempered_subtypes"]),
            node("Softmax", ["tempered_subtypes"], ["subtypes"], axis=1),
            node("Mul", ["subtypes", "pneumonia"], ["shares"]),
            node("Concat", ["healthy_shares", "shares"], ["probabilities"], axis=1),
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
