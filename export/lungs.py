"""The lung localiser inside a model file: outputs ``lungs`` and ``lung_mask``."""

import keras
import onnx
import tensorflow as tf
import tf2onnx

from export.storage import store_small
from export.to_onnx import OPSET, rename, widen_scalars
from service.inference.lungs import LUNG, TAIL
from training.lungs import shrinking

_PREFIX = "lungs_"
_MARGIN = 0.06  # of the box, added on each side


def add_lungs(graph: onnx.ModelProto, localiser: keras.Model, size: int) -> None:
    """Let a graph locate the lungs in its input as well.

    Adds ``lungs``, float32 ``[N, 4]``, the box around both lungs (left, top, right, bottom as
    shares of the image; all 0 where nothing is lung), and ``lung_mask``, float32 ``[N, 96, 96]``,
    the probability of lung.

    Args:
        graph: with the input ``image``, uint8 ``[N, size, size, 1]``.
        localiser: of :func:`training.lungs.train_localiser`.
        size: of the graph's input.
    """
    signature = (tf.TensorSpec((None, size, size, 1), tf.uint8, name="image"),)
    compute = tf.function(_locate(localiser, size), input_signature=signature)
    added, _ = tf2onnx.convert.from_function(compute, signature, opset=OPSET)
    for output, name in zip(list(added.graph.output), ("lungs", "lung_mask"), strict=True):
        rename(added, output.name, f"{_PREFIX}{name}")
    widen_scalars(added)
    _enlarge_fast(added)
    store_small(added)
    onnx.compose.add_prefix(added, _PREFIX, rename_inputs=False, rename_outputs=False, inplace=True)
    for name in ("lungs", "lung_mask"):
        rename(added, f"{_PREFIX}{name}", name)
    graph.graph.node.extend(added.graph.node)
    graph.graph.initializer.extend(added.graph.initializer)
    graph.graph.output.extend(added.graph.output)
    onnx.checker.check_model(graph, full_check=True)


def _enlarge_fast(graph: onnx.ModelProto) -> None:
    """Name the enlargement by whole factors as ONNX Runtime computes it fastest.

    The nearest pixel is the same; the name that tf2onnx gives is deprecated as well.
    """
    for node in graph.graph.node:
        for attribute in node.attribute if node.op_type == "Resize" else ():
            if attribute.name == "coordinate_transformation_mode":
                attribute.s = b"asymmetric"


def _locate(localiser: keras.Model, size: int):  # type: ignore[no-untyped-def]
    # a NumPy array becomes a constant of the graph
    average = shrinking(size)

    def compute(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        small = average @ tf.cast(image[..., 0], tf.float32) @ average.T
        mask = tf.sigmoid(localiser(small[..., tf.newaxis], training=False))[..., 0]
        lung = tf.cast(mask >= LUNG, tf.float32)
        left, right = _extent(tf.reduce_sum(lung, axis=1))
        top, bottom = _extent(tf.reduce_sum(lung, axis=2))
        across, down = _MARGIN * (right - left), _MARGIN * (bottom - top)
        box = tf.stack([left - across, top - down, right + across, bottom + down], axis=1)
        found = tf.reduce_max(lung, axis=[1, 2])
        return tf.clip_by_value(box, 0.0, 1.0) * found[:, tf.newaxis], mask

    return compute


def _extent(profile: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the lungs begin and end along an axis, as shares of it."""
    cells = float(profile.shape[1])
    running = tf.cumsum(profile, axis=1) / tf.maximum(
        tf.reduce_sum(profile, axis=1, keepdims=True), 1.0
    )
    begin = tf.reduce_sum(tf.cast(running < TAIL, tf.float32), axis=1)
    end = tf.reduce_sum(tf.cast(running < 1 - TAIL, tf.float32), axis=1) + 1
    return begin / cells, end / cells
