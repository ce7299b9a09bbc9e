"""Accuracy against speed: the network as it ships, in eight bits, and at 224 pixels.

    python -m export.tradeoff RUN FOLDER

RUN is a finished run of `pneumonia train`, FOLDER its first data set. All three come from the same
weights and answer the same held-out images, clean and each under one of the named shifts; each gets
a scaling of its own. One thread, one image at a time, in turns. Writes ``tradeoff.json``.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from export.calibration import fit_scaling
from export.pool import Pool
from export.quantize import (
    QuantizationError,
    calibration_images,
    check_quality,
    compare,
    figures,
    quantize,
    run_graph,
)
from export.run import HeldOut, Run, find_held_out
from export.scaling import Scaling, add_probabilities
from export.to_onnx import convert
from training.architectures import resized
from training.data import model_inputs
from training.reports.files import REPORTS, write
from training.shifts import apply_in_turn
from training.validation import Validation

REFERENCE_SIZE = 224
_IMAGES_A_TURN = 10


def main() -> None:
    """Measure and write ``tradeoff.json``."""
    parser = argparse.ArgumentParser(description="Measure accuracy against speed.")
    parser.add_argument("run", type=Path, help="folder that `pneumonia train` wrote")
    parser.add_argument("folder", type=Path, help="the first data set of the run")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=REPORTS, help="the report's folder")
    arguments = parser.parse_args()
    run = Run.load(arguments.run)
    held_out = find_held_out(run, arguments.folder)
    ours, reference = f"float32, {run.size}", f"float32, {REFERENCE_SIZE}"
    plain = convert(run.model, run.check)
    graphs = {
        ours: plain,
        f"int8, {run.size}": quantize(
            plain, calibration_images(held_out.others, run.size, held_out.data.labels)
        ),
    }
    if ours != reference:
        graphs[reference] = convert(resized(run.model, REFERENCE_SIZE), run.check)
    sessions = {name: _session(graph) for name, graph in graphs.items()}
    answers = {name: _answer(session, held_out) for name, session in sessions.items()}
    fitted = {name: (one, fit_scaling(Pool.of(one, run.source))) for name, one in answers.items()}
    seconds = _in_turns(sessions, held_out, arguments.rounds)
    rows = {
        name: {
            "time": _ratio(seconds[name], seconds[reference]),
            "megabytes": round(graphs[name].ByteSize() / 1e6, 1),
            **{figure: round(value, 4) for figure, value in figures(*fitted[name]).items()},
        }
        for name in graphs
    }
    try:
        check_quality(compare(fitted[ours], fitted[f"int8, {run.size}"], {}))
        fault = None
    except QuantizationError as error:
        fault = error.detail.removesuffix(" It is not written.")
    report = {
        "images": len(held_out.data),
        "reference": reference,
        "ours": ours,
        "int8_time_to_float32": _ratio(seconds[f"int8, {run.size}"], seconds[ours]),
        "int8_fault": fault,
        "models": rows,
    }
    write(arguments.out / "tradeoff.json", report)


def _session(graph: onnx.ModelProto) -> ort.InferenceSession:
    add_probabilities(graph, Scaling())
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return ort.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])


def _answer(session: ort.InferenceSession, held_out: HeldOut) -> Validation:
    """Logits of the held-out images, clean and shifted."""
    images = held_out.data.images
    rows = [run_graph(session, "probabilities", one) for one in (images, apply_in_turn(images))]
    logits = np.log(np.maximum(np.stack(rows), 1e-30))
    return replace(held_out.known, shifts=("clean", "shifted"), logits=logits)


def _in_turns(
    sessions: dict[str, ort.InferenceSession], held_out: HeldOut, rounds: int
) -> dict[str, list[float]]:
    """Seconds of each model in each round."""
    few = held_out.data.images[:_IMAGES_A_TURN]
    sized = {
        name: model_inputs(few, one.get_inputs()[0].shape[1]) for name, one in sessions.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(rounds + 1):
        for name, session in sessions.items():
            start = time.perf_counter()
            for image in sized[name]:
                session.run(None, {"image": image[np.newaxis]})
            if turn:  # the first one warms up
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _ratio(ours: list[float], reference: list[float]) -> float:
    """Median over the rounds."""
    return round(statistics.median(a / b for a, b in zip(ours, reference, strict=True)), 3)


if __name__ == "__main__":
    main()
