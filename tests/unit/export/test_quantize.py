"""Quantised graphs against the network they came from, and the figures they have to reach."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.pack import open_graph
from export.quantize import (
    FLOAT_CONVOLUTIONS,
    QuantizationError,
    check_quality,
    compare,
    quantize,
    refusals,
    validate,
)
from export.run import held_out
from export.scaling import Scaling, add_probabilities
from export.to_onnx import convert, keras_probabilities
from service.imaging.radiograph import Pixels
from training.architectures import ARCHITECTURES
from training.data import DataError, Dataset, Sample, model_inputs
from training.input_check import feature_extractor, fit
from training.shifts import SHIFTS
from training.validation import Validation

SMALL = 64
IMAGES = np.clip(
    np.cumsum(np.random.default_rng(0).normal(0, 6, (24, 224, 224, 1)), axis=2) + 128, 0, 255
).astype(np.uint8)
TARGETS = np.eye(3, dtype=np.float32)[np.arange(24) % 3]


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return ARCHITECTURES["efficientnet_lite0"](SMALL, 3, 0.2)


@pytest.fixture(scope="module")
def plain(network: keras.Model) -> onnx.ModelProto:
    extract = feature_extractor(network)
    small = model_inputs(IMAGES, SMALL)
    noise = np.random.default_rng(1).integers(0, 256, (24, SMALL, SMALL, 1)).astype(np.uint8)
    return convert(network, fit(extract(small[:16]), extract(noise), extract(small[16:])))


@pytest.fixture(scope="module")
def graph(plain: onnx.ModelProto) -> onnx.ModelProto:
    made = quantize(plain, model_inputs(IMAGES, SMALL))
    add_probabilities(made, Scaling())
    onnx.checker.check_model(made)
    return made


@pytest.fixture(scope="module")
def known(network: keras.Model) -> Validation:
    """What the network says of the images, clean and under one shift."""
    logits = np.asarray(network(model_inputs(IMAGES, SMALL).astype(np.float32), training=False))
    return Validation(
        ("clean", SHIFTS[0].name),
        np.stack([logits, logits]),
        TARGETS,
        np.arange(24),
        np.array(["home"] * 24),
        np.zeros(24, bool),
        IMAGES[[0, 11, 23]],
    )


def dataset(images: Pixels = IMAGES) -> Dataset:
    sample = Sample(Path("one.jpeg"), "normal", "home/1", "home")
    return Dataset((sample,) * len(images), images, TARGETS, np.arange(len(images)), ())


def test_all_outputs_stay_and_are_close(network: keras.Model, graph: onnx.ModelProto) -> None:
    session = open_graph(graph)
    names = [output.name for output in session.get_outputs()]
    assert names == ["probabilities", "evidence", "distance"]
    small = model_inputs(IMAGES, SMALL)
    probabilities, evidence = session.run(names[:2], {"image": small})
    assert np.abs(probabilities - keras_probabilities(network, small, Scaling())).max() < 0.2
    # the evidence is computed in float32, so that its mean is the logit, exactly
    logits = evidence.mean(axis=(2, 3)) + network.get_layer("classifier").get_weights()[1]
    odds = np.exp(logits)
    assert np.allclose(probabilities, odds / odds.sum(axis=1, keepdims=True), atol=1e-5)


def test_weights_have_seven_bits_so_that_no_processor_saturates(graph: onnx.ModelProto) -> None:
    kernels = [
        numpy_helper.to_array(weight)
        for weight in graph.graph.initializer
        if weight.data_type == onnx.TensorProto.INT8 and len(weight.dims) == 4
    ]
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv"]
    assert len(kernels) == len(convolutions) - FLOAT_CONVOLUTIONS - 1
    largest = max(int(np.abs(kernel.astype(int)).max()) for kernel in kernels)
    assert 32 < largest <= 64
    assert 2 * 255 * largest < 2**15


def test_a_network_too_small_is_refused() -> None:
    with pytest.raises(QuantizationError, match="too small to be quantised"):
        quantize(convert(ARCHITECTURES["cnn"](SMALL, 3, 0.2)), model_inputs(IMAGES, SMALL))


def test_answers_of_the_graph_become_logits(graph: onnx.ModelProto, known: Validation) -> None:
    given = validate(open_graph(graph), dataset(), known)
    odds = np.exp(given.logits[0])
    expected = open_graph(graph).run(["probabilities"], {"image": model_inputs(IMAGES, SMALL)})[0]
    assert given.logits.shape == known.logits.shape
    assert np.allclose(odds / odds.sum(axis=1, keepdims=True), expected, atol=1e-5)
    assert not np.allclose(given.logits[0], given.logits[1])


def test_refusals_are_counted_by_the_limit(plain: onnx.ModelProto, graph: onnx.ModelProto) -> None:
    float32 = onnx.ModelProto()
    float32.CopyFrom(plain)
    add_probabilities(float32, Scaling())
    none = refusals(open_graph(float32), open_graph(graph), 1e9, dataset(IMAGES[:3]))
    assert none["refused_clean"] == {"float32": 0, "int8": 0}
    assert none["synthetic_ood_accepted"] == {"float32": 1, "int8": 1}
    everything = refusals(open_graph(float32), open_graph(graph), 1e-9, dataset(IMAGES[:3]))
    assert everything["refused_shifted"] == {"float32": 1, "int8": 1}
    assert everything["synthetic_ood_accepted"] == {"float32": 0, "int8": 0}


def test_equal_answers_pass_and_worse_ones_are_named(known: Validation) -> None:
    good = replace(known, logits=np.stack([8 * TARGETS, 8 * TARGETS]))
    check_quality(compare((good, Scaling()), (good, Scaling()), {}))
    spoilt = good.logits.copy()
    spoilt[1, :2] = spoilt[
        1, 1::-1
    ]  # under the shift one normal and one bacterial image change places
    comparison = compare((good, Scaling()), (replace(good, logits=spoilt), Scaling()), {})
    with pytest.raises(
        QuantizationError, match=r"auroc shifted is 0\.\d+ instead of 1\.0000"
    ) as said:
        check_quality(comparison)
    assert "clean" not in said.value.detail
    refused = {"refused_clean": {"float32": 0.001, "int8": 0.007}}
    with pytest.raises(QuantizationError, match=r"refused clean is 0\.0070 .* worse by 0\.005"):
        check_quality(refused)
    check_quality({"refused_clean": {"float32": 0.007, "int8": 0.001}})


def test_only_the_images_of_the_run_are_taken(known: Validation) -> None:
    assert held_out(dataset(), known, "home").logits.shape == known.logits.shape
    other = IMAGES.copy()
    other[11] += 1
    with pytest.raises(DataError, match="not the images that the run held out"):
        held_out(dataset(other), known, "home")
