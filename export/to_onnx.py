"""A Keras network as one ONNX graph: uint8 pixels in, calibrated probabilities and evidence out."""

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from numpy.typing import NDArray

from export.scaling import Scaling, add_probabilities
from export.storage import store_small
from training.architectures import has_evidence
from training.input_check import InputCheck

OPSET = 18


def build_graph(
    model: keras.Model, scaling: Scaling, check: InputCheck | None = None
) -> onnx.ModelProto:
    """Convert a network.

    Input ``image`` is uint8 ``[N, size, size, 1]``. Outputs are ``probabilities``, float32
    ``[N, C]``, the logits under a ``scaling``, and, where the last layer is linear in the pooled
    ``features``, ``evidence``, float32 ``[N, C, h, w]``: that linear
    layer applied at every place before pooling. Its spatial mean plus the layer bias is the logit,
    exactly (class activation map, Zhou et al. 2016, arXiv:1512.04150). With a ``check``, which
    needs such a network, there is also ``distance``, float32 ``[N]``.

    Kernels are stored as :mod:`export.storage` says.
    """
    graph = convert(model, check)
    add_probabilities(graph, scaling)
    store_small(graph)
    onnx.checker.check_model(graph, full_check=True)
    return graph


def convert(model: keras.Model, check: InputCheck | None = None) -> onnx.ModelProto:
    """The graph of :func:`build_graph` as it is before ``logits`` become ``probabilities``."""
    size = model.input_shape[1]
    signature = (tf.TensorSpec((None, size, size, 1), tf.uint8, name="image"),)
    names = ["logits"]
    if has_evidence(model):
        names.append("evidence")
        if check is not None:
            names.append("distance")
        compute = _with_evidence(model, check)
    else:
        compute = _without_evidence(model)
    graph, _ = tf2onnx.convert.from_function(
        tf.function(compute, input_signature=signature), signature, opset=OPSET
    )
    for output, name in zip(list(graph.graph.output), names, strict=True):
        rename(graph, output.name, name)
    graph.graph.name = model.name
    widen_scalars(graph)
    converted: onnx.ModelProto = graph
    return converted


def keras_probabilities(
    model: keras.Model, images: NDArray[np.uint8], scaling: Scaling
) -> NDArray[np.float64]:
    """What the exported graph should give, the logits by Keras; float64 ``[N, C]``."""
    logits = model(images.astype(np.float32), training=False)
    return scaling.probabilities(np.asarray(logits))


def _with_evidence(model: keras.Model, check: InputCheck | None):  # type: ignore[no-untyped-def]
    layers = ("features", *(check.layers if check else ()))
    body = keras.Model(model.input, [model.get_layer(name).output for name in layers])
    # NumPy arrays become constants of the graph; tensors made out here would become inputs
    kernel, bias = model.get_layer("classifier").get_weights()
    if check is not None:
        check = check.single_precision()

    def compute(image: tf.Tensor) -> tuple[tf.Tensor, ...]:
        outputs = body(tf.cast(image, tf.float32), training=False)
        features, *checked = tf.nest.flatten(outputs)  # one output comes without its list
        evidence = tf.nn.conv2d(features, kernel[np.newaxis, np.newaxis], 1, "VALID")
        logits = tf.reduce_mean(evidence, axis=[1, 2]) + bias
        outputs_without_check = (logits, tf.transpose(evidence, [0, 3, 1, 2]))
        if check is None:
            return outputs_without_check
        pooled = tf.concat([tf.reduce_mean(one, axis=[1, 2]) for one in checked], axis=1)
        squashed = tf.tanh((pooled - check.centre) / check.scale)
        return *outputs_without_check, tf.norm(
            tf.matmul(squashed, check.projection.T) - check.offset, axis=1
        )

    return compute


def _without_evidence(model: keras.Model):  # type: ignore[no-untyped-def]
    def compute(image: tf.Tensor) -> tuple[tf.Tensor]:
        return (model(tf.cast(image, tf.float32), training=False),)

    return compute


def widen_scalars(graph: onnx.ModelProto) -> None:
    """Give a scalar that scales images as many dimensions as they have.

    ONNX Runtime (1.32) walks through images whose last dimension is their one channel pixel by
    pixel where the other factor has fewer dimensions, which takes far longer.
    """
    inferred = onnx.shape_inference.infer_shapes(graph).graph.value_info
    images = {one.name for one in inferred if len(one.type.tensor_type.shape.dim) == 4}
    for weight in graph.graph.initializer:
        users = [node for node in graph.graph.node if weight.name in node.input]
        if not weight.dims and all(
            node.op_type in {"Add", "Mul"} and images.intersection(node.input) for node in users
        ):
            weight.dims.extend([1] * 4)


def rename(graph: onnx.ModelProto, old: str, new: str) -> None:
    """Rename a value of a graph, everywhere."""
    for node in graph.graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
        node.input[:] = [new if name == old else name for name in node.input]
    for output in graph.graph.output:
        if output.name == old:
            output.name = new
