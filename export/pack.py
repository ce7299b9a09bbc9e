"""Write a graph with its contract into one file."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from service.inference.contract import Contract, Golden, golden_pattern, pattern_hash

_GOLDEN_PATTERNS = 3


def open_graph(graph: onnx.ModelProto) -> ort.InferenceSession:
    """A session on the processor."""
    return ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def golden(session: ort.InferenceSession, size: int) -> tuple[Golden, ...]:
    """What the graph gives for each generated pattern."""
    return tuple(_golden(session, number, size) for number in range(_GOLDEN_PATTERNS))


def write(graph: onnx.ModelProto, contract: Contract, out: Path) -> None:
    """Write the file, its contract in the metadata, and print what it holds."""
    del graph.metadata_props[:]
    for key, value in contract.to_metadata().items():
        graph.metadata_props.add(key=key, value=value)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(graph.SerializeToString())
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, temperature {contract.temperature:.3f}")
    for point in contract.operating_points:
        print(
            f"{point.name}: threshold {point.threshold:.4f}, sensitivity "
            f"{point.sensitivity.value:.4f}, specificity {point.specificity.value:.4f}"
        )


def _golden(session: ort.InferenceSession, number: int, size: int) -> Golden:
    pattern = golden_pattern(number, size, size)
    outputs = [output.name for output in session.get_outputs()]
    values = dict(zip(outputs, session.run(outputs, {"image": pattern[np.newaxis]}), strict=True))
    return Golden(
        pattern=number,
        sha256=pattern_hash(pattern),
        probabilities=tuple(float(value) for value in values["probabilities"][0]),
        distance=float(values["distance"][0]) if "distance" in values else None,
    )
