"""Model files: whole ones run, any other stops with one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import ModelFileError
from service.inference.contract import METADATA_KEY, Golden, InputSpec
from service.inference.model import OnnxModel
from tests.tiny_model import LABELS, LUNG_RULE, SIZE, write_tiny_model


def refusal(path: Path, **options: Any) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(ModelFileError) as refused:
        OnnxModel(path, **options)
    assert "\n" not in refused.value.detail
    assert str(path) not in refused.value.detail
    return refused.value.detail


def test_a_whole_file_runs(tiny_model: Path) -> None:
    model = OnnxModel(tiny_model)
    output = model.run(np.full((3, SIZE, SIZE, 1), 200, np.uint8))
    assert output.probabilities.shape == (3, len(LABELS))
    assert output.probabilities.dtype == np.float32
    assert output.probabilities.sum(axis=1) == pytest.approx(1)
    assert output.evidence is not None
    assert output.evidence.shape == (3, len(LABELS), 4, 4)
    assert output.distance == pytest.approx(200 / 255 - 0.5, rel=1e-4)
    assert model.has_evidence
    assert model.contract.name == "tiny"


def test_optional_outputs_may_be_missing(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "bare.onnx", evidence=False, distance=False)
    model = OnnxModel(tmp_path / "bare.onnx")
    output = model.run(np.zeros((1, SIZE, SIZE, 1), np.uint8))
    assert (output.evidence, output.distance, model.has_evidence) == (None, None, False)


def test_the_pinned_file_and_no_other(tiny_model: Path) -> None:
    digest = OnnxModel(tiny_model).sha256
    assert OnnxModel(tiny_model, digest).sha256 == digest
    assert digest in refusal(tiny_model, expected_sha256="0" * 64)


def golden(**changes: Any) -> Golden:
    """The first golden entry of the tiny model, changed."""
    entry = {"pattern": 0, "sha256": "", "probabilities": (0.1, 0.4, 0.5), "distance": 0.1}
    return Golden(**{**entry, **changes})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"golden": ()}, "golden"),
        ({"pneumonia_labels": LABELS}, "pneumonia_labels"),
        ({"pneumonia_labels": ("tuberculosis",)}, "pneumonia_labels"),
        ({"operating_points": ()}, "operating_points"),
        ({"temperature": 0.0}, "temperature"),
        ({"input": InputSpec(height=SIZE, width=2 * SIZE)}, "input is not uint8"),
        ({"input_check_limit": None}, "go together"),
        ({"lung_rule": LUNG_RULE}, "lung rule go together"),
        ({"format_version": 3}, "format_version"),
        ({"golden": (golden(sha256="0" * 64),)}, "golden pattern 0 is not the exported one"),
    ],
)
def test_contracts_that_the_file_breaks(tmp_path: Path, changes: Any, says: str) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path, **changes)
    assert says in refusal(path)


def edit_contract(path: Path, edit: Any) -> None:
    """Change a file's contract as JSON."""
    graph = onnx.load(path)
    (entry,) = (entry for entry in graph.metadata_props if entry.key == METADATA_KEY)
    contract = json.loads(entry.value)
    edit(contract)
    entry.value = json.dumps(contract)
    onnx.save(graph, path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda contract: contract["golden"][1]["probabilities"].__setitem__(0, 0.9),
        lambda contract: contract["golden"][2].update(distance=0.4),
    ],
)
def test_a_machine_that_computes_something_else(tmp_path: Path, edit: Any) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    edit_contract(path, edit)
    assert "computes something else" in refusal(path)


def test_more_labels_than_the_graph_has_classes(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path)

    def add_label(contract: Any) -> None:
        contract["labels"].append("other")
        for entry in contract["golden"]:
            entry["probabilities"].append(0.0)

    edit_contract(path, add_label)
    assert "another number of classes" in refusal(path)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda contract: contract.update(labels=["normal"]), "labels"),
        (lambda contract: contract.update(surprise=1), "surprise"),
        (lambda contract: contract.pop("labels"), "labels"),
        (lambda contract: contract.update(created="yesterday"), "created"),
        (lambda contract: contract["operating_points"][0].update(threshold=2), "threshold"),
        (lambda contract: contract["operating_points"][0].update(name="Best!"), "name"),
        (lambda contract: contract["operating_points"][2].update(uncertain_low=None), "together"),
        (lambda contract: contract["operating_points"][2].update(uncertain_low=0.6), "band"),
    ],
)
def test_contracts_that_are_none(tmp_path: Path, edit: Any, says: str) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    edit_contract(path, edit)
    line = refusal(path)
    assert "contract is broken" in line
    assert says in line


def rename_output(path: Path, old: str, new: str) -> None:
    graph = onnx.load(path)
    for node in graph.graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
        node.input[:] = [new if name == old else name for name in node.input]
    for output in graph.graph.output:
        output.name = new if output.name == old else output.name
    onnx.save(graph, path)


def test_outputs_under_wrong_names(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    rename_output(path, "probabilities", "scores")
    assert "no output named probabilities" in refusal(path)
    write_tiny_model(path)
    rename_output(path, "distance", "novelty")
    assert "go together" in refusal(path)


def test_an_evidence_output_of_another_shape(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path, evidence=False)
    rename_output(path, "evidence", "maps")
    rename_output(path, "pooled", "evidence")
    graph = onnx.load(path)
    graph.graph.output.append(
        onnx.helper.make_tensor_value_info("evidence", onnx.TensorProto.FLOAT, ["N", 3])
    )
    onnx.save(graph, path)
    assert "evidence is not one map for each label" in refusal(path)


def test_a_graph_that_fails_when_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path, size=SIZE)
    graph = onnx.load(path)
    shape = onnx.numpy_helper.from_array(np.array([7, 7, 7, 7]), "impossible")
    graph.graph.initializer.append(shape)
    graph.graph.node.insert(
        2, onnx.helper.make_node("Reshape", ["scaled", "impossible"], ["reshaped"])
    )
    graph.graph.node[3].input[0] = "reshaped"
    onnx.save(graph, path)
    assert refusal(path)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_damaged_files_run_or_are_refused(
    tiny_model: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(tiny_model.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    try:
        OnnxModel(path)
    except ModelFileError as error:
        assert "\n" not in error.detail
