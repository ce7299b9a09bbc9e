"""The exported graph against the network it came from."""

from dataclasses import replace

import keras
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from export.parity import ParityError, check_parity
from export.scaling import Scaling, set_scaling
from export.to_onnx import build_graph, keras_probabilities
from training.architectures import ARCHITECTURES
from training.input_check import InputCheck, feature_extractor, fit

SCALING = Scaling(temperature=1.7, offset=0.4, subtype_temperature=0.6)


@pytest.fixture(scope="module", params=["cnn", "efficientnet_lite0"])
def network(request: pytest.FixtureRequest) -> keras.Model:
    # what eight bits cost depends on the weights; some random ones are beyond the tolerance
    keras.utils.set_random_seed(2)
    return ARCHITECTURES[request.param](64, 3, 0.2)


@pytest.fixture(scope="module")
def check(network: keras.Model) -> InputCheck | None:
    """None for the network that has none."""
    if network.name == "cnn":
        return None
    extract = feature_extractor(network)
    return fit(extract(KNOWN[:30]), extract(IMAGES), extract(KNOWN[30:]))


@pytest.fixture(scope="module")
def graph(network: keras.Model, check: InputCheck | None) -> onnx.ModelProto:
    return build_graph(network, SCALING, check)


@pytest.fixture(scope="module")
def session(graph: onnx.ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(graph.SerializeToString())


IMAGES = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 1)).astype(np.uint8)
KNOWN = np.clip(
    np.cumsum(np.random.default_rng(0).normal(0, 6, (40, 64, 64, 1)), axis=2) + 128, 0, 255
).astype(np.uint8)


def test_uint8_pixels_are_the_only_input(session: ort.InferenceSession) -> None:
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape[1:]) == ("image", "tensor(uint8)", [64, 64, 1])


def test_probabilities_are_those_of_the_network(
    network: keras.Model, session: ort.InferenceSession
) -> None:
    given = session.run(["probabilities"], {"image": IMAGES})[0]
    assert np.allclose(given.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(given, keras_probabilities(network, IMAGES, SCALING), atol=0.03)
    assert check_parity(session, network, IMAGES, SCALING)["images"] == 4


@pytest.mark.parametrize(
    "other",
    [
        replace(SCALING, temperature=0.4),
        replace(SCALING, offset=1.4),
        replace(SCALING, subtype_temperature=0.05),
    ],
)
def test_another_scaling_fails_parity(
    network: keras.Model, session: ort.InferenceSession, other: Scaling
) -> None:
    with pytest.raises(ParityError, match="it is not written"):
        check_parity(session, network, IMAGES, other)


def test_the_scaling_can_be_set_anew(network: keras.Model, graph: onnx.ModelProto) -> None:
    scaled = onnx.ModelProto()
    scaled.CopyFrom(graph)
    other = Scaling(temperature=5.0, offset=-1.0, subtype_temperature=2.0)
    set_scaling(scaled, other)
    session = ort.InferenceSession(scaled.SerializeToString())
    assert check_parity(session, network, IMAGES, other)["largest_difference"] < 0.01


def test_the_distance_is_that_of_the_fitted_check(
    network: keras.Model, check: InputCheck | None, session: ort.InferenceSession
) -> None:
    names = [output.name for output in session.get_outputs()]
    assert names == ["probabilities", "evidence", *(["distance"] if check else [])]
    if check is None:
        return
    images = np.concatenate([KNOWN[:4], IMAGES])
    given = session.run(["distance"], {"image": images})[0]
    assert given.shape == (8,)
    # the kernels are stored small
    distance = check.distance(feature_extractor(network)(images))
    assert np.allclose(given, distance, rtol=0.01, atol=0.2)
    assert distance[4:].min() > 10 * distance[:4].max()


def test_a_network_with_a_hidden_layer_is_exported_without_evidence() -> None:
    image = keras.layers.Input((32, 32, 1))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(image))
    x = keras.layers.Dense(3)(keras.layers.Dense(4, activation="relu")(x))
    graph = build_graph(keras.Model(image, x, name="hidden"), SCALING)
    session = ort.InferenceSession(graph.SerializeToString())
    assert [output.name for output in session.get_outputs()] == ["probabilities"]


def test_the_mean_of_the_evidence_is_the_logit(
    network: keras.Model, session: ort.InferenceSession
) -> None:
    probabilities, evidence = session.run(["probabilities", "evidence"], {"image": IMAGES})
    assert evidence.shape == (4, 3, 2, 2)
    logits = evidence.mean(axis=(2, 3)) + network.get_layer("classifier").get_weights()[1]
    assert np.allclose(SCALING.probabilities(logits), probabilities, atol=1e-5)
