"""Graphs in memory and as files."""

from pathlib import Path

import onnx
import onnxruntime as ort

from service.inference.contract import Contract


def open_graph(graph: onnx.ModelProto) -> ort.InferenceSession:
    """A session on the CPU."""
    return ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def write(graph: onnx.ModelProto, contract: Contract, out: Path) -> None:
    """Write the model file: the graph with its contract in the metadata."""
    del graph.metadata_props[:]
    for key, value in contract.to_metadata().items():
        graph.metadata_props.add(key=key, value=value)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(graph.SerializeToString())
