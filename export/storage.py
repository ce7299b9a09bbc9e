"""How a file keeps the kernels of its graph: small ones in half precision, large in eight bits.

ONNX Runtime converts them to single precision when it loads the file and computes with that. The
measured parity includes the rounding.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# the few late kernels that are most of the file; eight bits in the early ones cost far more
# accuracy and save next to nothing
_LARGE = 50_000
_KERNEL_DIMENSIONS = 4
_LEVELS = 127


def store_small(graph: onnx.ModelProto) -> None:
    """Store the convolution kernels of a graph small, and restore them by its first nodes.

    All else, whose range is not known, stays as it is.
    """
    first: list[onnx.NodeProto] = []
    for weight in list(graph.graph.initializer):
        kernel = numpy_helper.to_array(weight)
        if kernel.dtype != np.float32 or kernel.ndim != _KERNEL_DIMENSIONS:
            continue
        name = weight.name
        if kernel.size < _LARGE:
            weight.CopyFrom(numpy_helper.from_array(kernel.astype(np.float16), f"{name}_half"))
            first.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
            continue
        levels, inner, outer = _split(kernel)
        weight.CopyFrom(numpy_helper.from_array(levels, f"{name}_levels"))
        for scales, given in ((inner, f"{name}_in"), (outer, f"{name}_out")):
            graph.graph.initializer.append(numpy_helper.from_array(scales, given))
        first += [
            helper.make_node("Cast", [f"{name}_levels"], [f"{name}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_cast", f"{name}_in"], [f"{name}_scaled"]),
            helper.make_node("Mul", [f"{name}_scaled", f"{name}_out"], [name]),
        ]
    nodes = [*first, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)


def _split(
    kernel: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """A kernel ``[out, in, h, w]`` as levels of its shape times a scale a channel in and out.

    The channels that come in differ by orders of magnitude: with a scale for those that go out
    alone, the small weights of large channels would be lost.
    """
    inner = np.sqrt(np.mean(np.square(kernel, dtype=np.float64), axis=(0, 2, 3), keepdims=True))
    inner = np.maximum(inner, np.finfo(np.float32).tiny).astype(np.float32)
    even = kernel / inner
    outer = np.abs(even).max(axis=(1, 2, 3), keepdims=True) / _LEVELS
    outer = np.maximum(outer, np.finfo(np.float32).tiny)
    return np.rint(even / outer).astype(np.int8), inner, outer
