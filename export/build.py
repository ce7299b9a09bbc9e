"""From a run to a calibrated graph, in float32 or in int8."""

from pathlib import Path

import onnx

from export import parity
from export.calibration import fit_scaling
from export.contract import CalibratedGraph
from export.pack import open_graph
from export.pool import Pool
from export.quantize import (
    calibration_images,
    check_quality,
    compare,
    quantize,
    refusals,
    validate,
)
from export.run import Run, find_held_out
from export.scaling import Scaling, add_probabilities, set_scaling
from export.to_onnx import build_graph, convert
from training.data import model_inputs
from training.validation import Validation


def build_float32(run: Run) -> CalibratedGraph:
    """The graph of a run's network.

    Raises:
        ParityError: the graph computes something else than the network.
    """
    scaling = fit_scaling(Pool.of(run.calibration, run.source))
    graph = build_graph(run.model, scaling, run.check)
    return _checked(run, graph, run.calibration, scaling, {}, parity.TOLERANCE)


def build_int8(run: Run, folder: Path) -> CalibratedGraph:
    """The quantised graph of a run's network, if it is as good as float32.

    Args:
        run: a finished run.
        folder: its first data set, whose held-out images both are compared on.

    Raises:
        DataError: the folder does not hold the images that the run held out.
        QuantizationError: the quantised graph is worse than the network, or cannot be made.
        ParityError: the graph computes something else than the network.
    """
    held_out = find_held_out(run, folder)
    plain = convert(run.model, run.check)
    graph = quantize(plain, calibration_images(held_out.others, run.size, held_out.data.labels))
    for unscaled in (plain, graph):
        add_probabilities(unscaled, Scaling(negatives=run.configuration.negatives))
    session = open_graph(graph)
    validation = validate(session, held_out.data, held_out.known)
    float32, int8 = (
        (one, fit_scaling(Pool.of(one, run.source))) for one in (held_out.known, validation)
    )
    refused = (
        refusals(open_graph(plain), session, run.check.limit, held_out.data) if run.check else {}
    )
    comparison = compare(float32, int8, refused)
    check_quality(comparison)
    if run.out_of_fold is not None:  # too few are held out to fit on the graph's own logits
        int8 = run.out_of_fold, fit_scaling(Pool.of(run.out_of_fold, run.source))
    set_scaling(graph, int8[1])
    metrics = {
        f"{figure}_{precision}": value
        for figure, values in comparison.items()
        for precision, value in values.items()
    }
    return _checked(run, graph, *int8, metrics, parity.INT8_TOLERANCE)


def _checked(
    run: Run,
    graph: onnx.ModelProto,
    validation: Validation,
    scaling: Scaling,
    metrics: dict[str, float],
    tolerance: float,
) -> CalibratedGraph:
    images = model_inputs(run.validation.images, run.size)
    measured = parity.check_parity(open_graph(graph), run.model, images, scaling, tolerance)
    return CalibratedGraph(graph, validation, scaling, measured, metrics)
