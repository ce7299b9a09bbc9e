"""Kernels that are stored small and computed with in single precision."""

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.storage import store_small

RANDOM = np.random.default_rng(0)


def _graph(kernel: NDArray[np.float32]) -> onnx.ModelProto:
    """One convolution of ``[N, in, 4, 4]``."""
    outputs, inputs = kernel.shape[:2]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", inputs, 4, 4])
    made = helper.make_tensor_value_info("made", TensorProto.FLOAT, ["N", outputs, 4, 4])
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "kernel"], ["made"])],
        "one",
        [image],
        [made],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _run(graph: onnx.ModelProto, image: NDArray[np.float32]) -> NDArray[np.float32]:
    session = ort.InferenceSession(graph.SerializeToString())
    made: NDArray[np.float32] = session.run(["made"], {"image": image})[0]
    return made


def _check(outputs: int, inputs: int, bytes_a_weight: float, tolerance: float) -> None:
    # channels that differ by orders of magnitude, and weights that make up for it
    size = np.exp(RANDOM.normal(0, 3, (1, inputs, 1, 1)))
    kernel = (RANDOM.normal(0, 1, (outputs, inputs, 1, 1)) / size).astype(np.float32)
    image = (RANDOM.normal(0, 1, (2, inputs, 4, 4)) * size).astype(np.float32)
    graph = _graph(kernel)
    expected = _run(graph, image)
    store_small(graph)
    onnx.checker.check_model(graph, full_check=True)
    assert graph.ByteSize() < (bytes_a_weight + 0.2) * kernel.size
    assert np.abs(_run(graph, image) - expected).max() < tolerance * np.abs(expected).max()


def test_a_large_kernel_takes_a_byte_a_weight_whatever_its_channels() -> None:
    _check(256, 256, 1, 0.01)


def test_a_small_kernel_takes_two_bytes_a_weight() -> None:
    _check(64, 64, 2, 0.001)
