"""From logits to probabilities."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from scipy.special import logsumexp, softmax

from export.scaling import Scaling, add_probabilities, has_scaling, set_scaling
from service.inference.contract import golden_pattern
from service.settings import DEFAULT_MODEL

LOGITS = np.random.default_rng(0).normal(0, 3, (50, 3))


def test_by_default_it_is_the_softmax() -> None:
    assert np.allclose(Scaling().probabilities(LOGITS), softmax(LOGITS, axis=1))


def test_the_subtypes_share_the_probability_of_pneumonia() -> None:
    scaling = Scaling(0.7, -0.5, 3.0)
    given = scaling.probabilities(LOGITS)
    assert np.allclose(given.sum(axis=1), 1)
    assert np.allclose(given[:, 1:].sum(axis=1), scaling.pneumonia(LOGITS))
    shares = given[:, 1:] / given[:, 1:].sum(axis=1, keepdims=True)
    assert np.allclose(shares, softmax(LOGITS[:, 1:] / 3, axis=1))


def test_several_labels_without_disease_share_what_it_leaves() -> None:
    scaling = Scaling(0.7, -0.5, 3.0, negatives=2)
    given = scaling.probabilities(LOGITS)
    assert np.allclose(given.sum(axis=1), 1)
    assert np.allclose(given[:, 2], scaling.pneumonia(LOGITS))
    shares = given[:, :2] / given[:, :2].sum(axis=1, keepdims=True)
    assert np.allclose(shares, softmax(LOGITS[:, :2] / 3, axis=1))
    assert np.allclose(Scaling(negatives=2).probabilities(LOGITS), softmax(LOGITS, axis=1))


@pytest.mark.parametrize("negatives", [1, 2])
def test_logits_come_back_from_probabilities(negatives: int) -> None:
    scaling = Scaling(1.4, 0.8, 0.6, negatives)
    found = scaling.logits(scaling.probabilities(LOGITS))
    healthy = logsumexp(LOGITS[:, :negatives], axis=1, keepdims=True)
    assert np.allclose(found, LOGITS - healthy, atol=1e-4)


@pytest.mark.parametrize("negatives", [1, 2])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_graph_keeps_even_small_probabilities(temperature: float, negatives: int) -> None:
    scaling = Scaling(temperature, 0.3, 1.2, negatives)
    logits = np.array([[0, 15, 12], [15, 0, 1], [0, 3, -3]], np.float32)
    shape = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])
    copied = helper.make_node("Identity", ["given"], ["logits"])
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_model(
        helper.make_graph([copied], "one", [given], [shape]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    add_probabilities(graph, scaling)
    onnx.checker.check_model(graph, full_check=True)
    session = ort.InferenceSession(graph.SerializeToString())
    (probabilities,) = session.run(None, {"given": logits})
    assert np.allclose(probabilities, scaling.probabilities(logits), rtol=0.01, atol=0)
    healthy = logsumexp(logits[:, :negatives], axis=1, keepdims=True)
    assert np.allclose(scaling.logits(probabilities), logits - healthy, atol=1e-3)


def test_the_model_that_ships_can_be_scaled_anew() -> None:
    graph = onnx.load(DEFAULT_MODEL)
    assert has_scaling(graph)
    size = graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    image = {"image": golden_pattern(0, size, size)[np.newaxis]}

    def predict() -> np.ndarray:
        session = ort.InferenceSession(graph.SerializeToString())
        probabilities: np.ndarray = session.run(["probabilities"], image)[0]
        return probabilities

    set_scaling(graph, Scaling())
    logits = Scaling().logits(predict())
    scaling = Scaling(2.0, -0.5, 3.0)
    set_scaling(graph, scaling)
    assert np.allclose(predict(), scaling.probabilities(logits), atol=1e-4)
