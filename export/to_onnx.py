"""A Keras network as one ONNX graph: uint8 pixels in, calibrated probabilities and evidence out."""

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.scaling import Scaling, add_probabilities
from training.architectures import has_evidence
from training.input_check import InputCheck

OPSET = 18
_KERNEL_DIMENSIONS = 4


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

    Convolution kernels are stored as float16 and cast on loading, which halves the file; what that
    changes is part of the measured parity. All else, whose range is not known, stays as it is.
    """
    graph = convert(model, check)
    add_probabilities(graph, scaling)
    _store_half(graph)
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
        _rename(graph, output.name, name)
    graph.graph.name = model.name
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
        judged = (logits, tf.transpose(evidence, [0, 3, 1, 2]))
        if check is None:
            return judged
        pooled = tf.concat([tf.reduce_mean(one, axis=[1, 2]) for one in checked], axis=1)
        squashed = tf.tanh((pooled - check.centre) / check.scale)
        return *judged, tf.norm(tf.matmul(squashed, check.projection.T) - check.offset, axis=1)

    return compute


def _without_evidence(model: keras.Model):  # type: ignore[no-untyped-def]
    def compute(image: tf.Tensor) -> tuple[tf.Tensor]:
        return (model(tf.cast(image, tf.float32), training=False),)

    return compute


def _rename(graph: onnx.ModelProto, old: str, new: str) -> None:
    for node in graph.graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
        node.input[:] = [new if name == old else name for name in node.input]
    for output in graph.graph.output:
        if output.name == old:
            output.name = new


def _store_half(graph: onnx.ModelProto) -> None:
    casts = []
    for weight in graph.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.ndim != _KERNEL_DIMENSIONS:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
