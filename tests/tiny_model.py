"""A real ONNX file with a real contract, small enough to make in every test run.

It calls bright images pneumonia: the probability rises with the mean grey value, the evidence map
is the brightness of a 4 x 4 grid, the distance is how far the mean lies from mid-grey. Where it
looks for lungs, dark pixels are lung, and the box is the middle of the image.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from service.inference.contract import (
    Contract,
    Golden,
    InputSpec,
    LungRule,
    golden_pattern,
    pattern_hash,
)
from service.inference.operating_point import OperatingPoint, Rate

LUNG_RULE = LungRule(least_area=0.05, least_separation=0.5)
LABELS = ("normal", "bacterial", "viral")
SIZE = 64
GRID = 4


def write_tiny_model(
    path: Path,
    *,
    evidence: bool = True,
    distance: bool = True,
    limit: float = 0.45,
    lungs: bool = False,
    labels: tuple[str, ...] = LABELS,
    size: int = SIZE,
    **changes: Any,
) -> Contract:
    """Write the model file; ``changes`` replace fields of its contract (also by wrong ones)."""
    graph = _graph(labels, size, evidence, distance, lungs)
    session = ort.InferenceSession(graph.SerializeToString())
    contract = Contract(
        name="tiny",
        version="1.0",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        labels=labels,
        pneumonia_labels=labels[1:],
        input=InputSpec(height=size, width=size),
        temperature=1.0,
        operating_points=(
            _point("balanced", 0.5),
            _point("screening", 0.2),
            _point("careful", 0.5, uncertain_low=0.25, uncertain_high=0.75),
        ),
        input_check_limit=limit if distance else None,
        lung_rule=LUNG_RULE if lungs else None,
        population="grey squares",
        training_data="none",
        golden=tuple(_golden(session, number, size) for number in range(3)),
    )
    if changes:
        contract = contract.model_copy(update=changes)
    for key, value in contract.to_metadata().items():
        graph.metadata_props.add(key=key, value=value)
    path.write_bytes(graph.SerializeToString())
    return contract


def _point(name: str, threshold: float, **band: Any) -> OperatingPoint:
    return OperatingPoint(
        name=name,
        threshold=threshold,
        sensitivity=Rate(value=0.9, low=0.8, high=0.95),
        specificity=Rate(value=0.8, low=0.7, high=0.9),
        rule="set by hand",
        data="none",
        **band,
    )


def _golden(session: ort.InferenceSession, number: int, size: int) -> Golden:
    pattern = golden_pattern(number, size, size)
    values = dict(
        zip(
            (output.name for output in session.get_outputs()),
            session.run(None, {"image": pattern[np.newaxis]}),
            strict=True,
        )
    )
    return Golden(
        pattern=number,
        sha256=pattern_hash(pattern),
        probabilities=tuple(float(value) for value in values["probabilities"][0]),
        distance=float(values["distance"][0]) if "distance" in values else None,
    )


def _graph(
    labels: tuple[str, ...], size: int, evidence: bool, distance: bool, lungs: bool
) -> onnx.ModelProto:
    classes = len(labels)
    weights = np.linspace(-8, 8, classes, dtype=np.float32).reshape(classes, 1, 1, 1)
    weights[-1] -= 1  # so that the first pneumonia label and the last differ
    constants = {
        "white": np.float32(255),
        "weights": weights,
        "bias": np.linspace(4, -4, classes, dtype=np.float32),
        "middle": np.float32(0.5),
        "channel": np.array([1, 2, 3], np.int64),
        "space": np.array([2, 3], np.int64),
        "one": np.float32(1),
        "plane": np.array([1], np.int64),
        "box": np.array([[0.25, 0.25, 0.75, 0.75]], np.float32),
        "nothing": np.float32(0),
    }
    block = size // GRID
    nodes = [
        helper.make_node("Cast", ["image"], ["samples"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["samples", "white"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["grid"], kernel_shape=[block, block], strides=[block, block]
        ),
        helper.make_node("Conv", ["grid", "weights"], ["evidence"]),
        helper.make_node("ReduceMean", ["evidence", "space"], ["pooled"], keepdims=0),
        helper.make_node("Add", ["pooled", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ReduceMean", ["planes", "channel"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "middle"], ["offset"]),
        helper.make_node("Abs", ["offset"], ["distance"]),
        helper.make_node("Sub", ["one", "planes"], ["dark"]),
        helper.make_node("Squeeze", ["dark", "plane"], ["lung_mask"]),
        helper.make_node("Unsqueeze", ["mean", "plane"], ["column"]),
        helper.make_node("Mul", ["column", "nothing"], ["zeros"]),
        helper.make_node("Add", ["zeros", "box"], ["lungs"]),
    ]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", classes])]
    if evidence:
        outputs.append(
            helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["N", classes, GRID, GRID])
        )
    if distance:
        outputs.append(helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["N"]))
    if lungs:
        outputs += [
            helper.make_tensor_value_info("lungs", TensorProto.FLOAT, ["N", 4]),
            helper.make_tensor_value_info("lung_mask", TensorProto.FLOAT, ["N", size, size]),
        ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", size, size, 1])],
        outputs,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model
