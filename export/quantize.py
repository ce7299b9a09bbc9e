"""Static int8 quantisation of the backbone, and the figures that it has to reach.

Activations are unsigned, weights signed with one scale for each channel (Jacob et al. 2018,
arXiv:1712.05877). Processors without VNNI add two products of such a pair in 16 bits: with weights
in -64..64 the sum is at most 2 * 255 * 64 = 32,640 and cannot saturate at 32,767, so weights get
seven bits and the file gives the same results everywhere.

The early convolutions stay in float32: quantising them costs more accuracy than all later ones and
was measured to save no time. So do the evidence, the distance and the scaling.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.scaling import Scaling
from service.errors import PneumoniaError
from service.imaging.radiograph import Pixels
from training.data import Dataset, Sample, load, model_inputs
from training.labels import LabelSet
from training.metrics import Scores, measure
from training.progress import progress_bar
from training.shifts import SHIFTS, apply, apply_in_turn
from training.synthetic_ood import SYNTHETIC_OOD
from training.validation import Validation

# of Lite0 the stem and the first ten blocks; the rest is most of what eight bits save
FLOAT_CONVOLUTIONS = 30
# how much worse than float32 the quantised graph may be on held-out images, clean and shifted:
# in AUROC, and in ECE or a share of images
AUROC_TOLERANCE = 0.002
SHARE_TOLERANCE = 0.005
_CALIBRATION_IMAGES = 136
_IMAGES_PER_OOD = 40
_BATCH = 32

# figure -> float32 or int8 -> value
Comparison: TypeAlias = dict[str, dict[str, float]]


class QuantizationError(PneumoniaError):
    """The quantised graph is not as good as the network."""

    code = "quantization"


def quantize(graph: onnx.ModelProto, images: Pixels) -> onnx.ModelProto:
    """Quantise the convolutions of a graph with an output ``logits``.

    Args:
        graph: as :func:`export.to_onnx.convert` makes it; the convolution that makes ``evidence``
            keeps its precision.
        images: uint8 ``[N, size, size, 1]``, from which the ranges of the activations are taken.

    Raises:
        QuantizationError: the graph has too few convolutions.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, plain, quantized = (Path(folder) / f"{name}.onnx" for name in ("a", "b", "c"))
        onnx.save(graph, given)
        # merges normalisations into convolutions; the shapes are known already
        quant_pre_process(given, plain, skip_symbolic_shape=True)
        names = [
            node.name
            for node in onnx.load(plain).graph.node
            if node.op_type == "Conv" and "evidence" not in node.output
        ]
        if len(names) <= FLOAT_CONVOLUTIONS:
            raise QuantizationError(
                f"A network of {len(names)} convolutions is too small to be quantised: the first "
                f"{FLOAT_CONVOLUTIONS} stay in float32."
            )
        quantize_static(
            plain,
            quantized,
            _Reader(images),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=names[FLOAT_CONVOLUTIONS:],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(quantized)


def calibration_images(samples: Sequence[Sample], size: int, labels: LabelSet) -> Pixels:
    """Images spread over a data set, each under one of the named shifts in turn.

    Args:
        samples: the files.
        size: rows and columns of the result.
        labels: that the samples have some of.

    Returns:
        uint8 ``[N, size, size, 1]``.
    """
    step = max(1, len(samples) // _CALIBRATION_IMAGES)
    return model_inputs(
        apply_in_turn(load(samples[::step], quiet=True, labels=labels).images), size
    )


def validate(session: ort.InferenceSession, data: Dataset, known: Validation) -> Validation:
    """``known`` with the logits of another graph, without scaling, for the same images.

    Logits are right up to a constant for each image, which does not change the softmax.
    """
    shifted = {shift.name: shift for shift in SHIFTS}
    rows = []
    bar = progress_bar(len(known.shifts), "shift")
    for number, name in enumerate(known.shifts, start=1):
        images = apply(shifted[name], data.images) if name in shifted else data.images
        rows.append(np.log(np.maximum(run_graph(session, "probabilities", images), 1e-30)))
        bar.update(number)
    return replace(known, logits=np.stack(rows))


def refusals(
    float32: ort.InferenceSession, int8: ort.InferenceSession, limit: float, data: Dataset
) -> Comparison:
    """Share of chest X-rays refused, clean and shifted, and of synthetic OOD images accepted."""
    few = data.images[:: max(1, len(data) // _IMAGES_PER_OOD)]
    synthetic = np.concatenate([apply(ood, few, 1) for ood in SYNTHETIC_OOD])
    found: Comparison = {}
    for name, images in (
        ("refused_clean", data.images),
        ("refused_shifted", apply_in_turn(data.images)),
        ("synthetic_ood_accepted", synthetic),
    ):
        over = [(run_graph(one, "distance", images) > limit).mean() for one in (float32, int8)]
        found[name] = dict(zip(("float32", "int8"), map(float, over), strict=True))
    found["synthetic_ood_accepted"] = {
        precision: 1 - share for precision, share in found["synthetic_ood_accepted"].items()
    }
    return found


def figures(validation: Validation, scaling: Scaling) -> dict[str, float]:
    """Both AUROCs and the ECE, ``_clean`` and ``_shifted`` (all shifts together)."""
    found = {}
    for images, rows in (("clean", slice(0, 1)), ("shifted", slice(1, None))):
        measured = measure(_scores(validation, scaling, rows))
        for name in ("auroc", "bacterial_or_viral_auroc", "ece"):
            if not np.isnan(measured.get(name, np.nan)):
                found[f"{name}_{images}"] = measured[name]
    return found


def compare(
    float32: tuple[Validation, Scaling], int8: tuple[Validation, Scaling], check: Comparison
) -> Comparison:
    """Figures of float32 and int8 on the same images.

    Args:
        float32: logits and their scaling.
        int8: the same of the quantised graph.
        check: what :func:`refusals` found; empty for a network without an input check.
    """
    one, other = figures(*float32), figures(*int8)
    return {name: {"float32": value, "int8": other[name]} for name, value in one.items()} | check


def check_quality(comparison: Comparison) -> None:
    """Require that int8 is as good as float32, within small tolerances.

    Raises:
        QuantizationError: it is worse; the sentence says what was measured.
    """
    worse = []
    for name, value in comparison.items():
        tolerance = AUROC_TOLERANCE if "auroc" in name else SHARE_TOLERANCE
        loss = value["int8"] - value["float32"]
        if not (-loss if "auroc" in name else loss) <= tolerance:
            worse.append(
                f"{name.replace('_', ' ')} is {value['int8']:.4f} instead of "
                f"{value['float32']:.4f} (may be worse by {tolerance})"
            )
    if worse:
        raise QuantizationError(
            f"The int8 graph is worse than float32 on held-out images: {'; '.join(worse)}. "
            "It is not written."
        )


def run_graph(session: ort.InferenceSession, output: str, images: Pixels) -> NDArray[np.float32]:
    """One output for uint8 ``[N, h, w, 1]``, resized to the graph's input."""
    size = session.get_inputs()[0].shape[1]
    parts = [
        session.run([output], {"image": model_inputs(images[start : start + _BATCH], size)})[0]
        for start in range(0, len(images), _BATCH)
    ]
    return np.concatenate(parts)


def _scores(validation: Validation, scaling: Scaling, rows: slice) -> Scores:
    logits = validation.logits[rows].astype(np.float64)
    copies = logits.shape[0]
    return Scores(
        scaling.probabilities(logits.reshape(-1, logits.shape[2])),
        np.tile(validation.truth, copies),
        np.tile(validation.groups, copies),
        0.5,
        validation.labels,
    )


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands the images over one by one."""

    def __init__(self, images: Pixels) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, Pixels] | None:
        image = next(self._images, None)
        return None if image is None else {"image": image[np.newaxis]}
