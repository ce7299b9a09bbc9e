"""The ONNX session and nothing but the session."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from service.errors import ModelFileError
from service.inference.contract import Contract, golden_pattern, pattern_hash

# How far a processor may stray from the exported outputs before it is not trusted: probabilities by
# this much, a distance by this part of itself. Float32 kernels differ by about 1e-6, int8 ones with
# other rounding by some 1e-3; saturation shows as 1e-1.
GOLDEN_TOLERANCE = 0.01


@dataclass(frozen=True)
class ModelOutput:
    """What the graph gives for a batch.

    Attributes:
        probabilities: float32 ``[N, C]``, calibrated, rows sum to 1.
        evidence: float32 ``[N, C, h, w]``, the map of each uncalibrated logit; None without a map.
        distance: float32 ``[N]``, >= 0; None without an input check.
        lungs: float32 ``[N, 4]``, the box of the lungs: left, top, right and bottom as shares of
            the image, all 0 where there are none; None where the graph does not look for lungs.
        lung_mask: float32 ``[N, h, w]``, the probability of lung; None likewise.
    """

    probabilities: NDArray[np.float32]
    evidence: NDArray[np.float32] | None
    distance: NDArray[np.float32] | None
    lungs: NDArray[np.float32] | None = None
    lung_mask: NDArray[np.float32] | None = None


class Model(Protocol):
    """What the predictor needs of a model."""

    contract: Contract
    sha256: str

    @property
    def has_evidence(self) -> bool:
        """Whether :meth:`run` gives the evidence map."""
        ...

    def run(self, images: NDArray[np.uint8]) -> ModelOutput:
        """Run uint8 ``[N, height, width, 1]``."""
        ...


class OnnxModel:
    """A model file, loaded, checked and ready.

    Threads may share one: ONNX Runtime sessions are safe to run concurrently. Each run stays on its
    caller's thread, because two images on two cores beat one image on two.

    Attributes:
        contract: what the file promises.
        sha256: of the file, hexadecimal.
    """

    def __init__(self, path: Path, expected_sha256: str | None = None) -> None:
        """Load and check a file.

        Args:
            path: the ONNX file.
            expected_sha256: where given, no other file is accepted.

        Raises:
            ModelFileError: it cannot be read, is no ONNX, lacks or breaks its contract, or gives
                other golden outputs here than where it was exported.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"cannot read the model file: {error.strerror}") from error
        self.sha256 = hashlib.sha256(content).hexdigest()
        if expected_sha256 is not None and self.sha256 != expected_sha256:
            raise ModelFileError(
                f"the model file is not the pinned one: its SHA-256 is {self.sha256}"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # the arena keeps the largest batch's memory for ever and has been seen to grow
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's exceptions share no narrower base
            raise ModelFileError("the model file is not an ONNX graph that can run here") from error
        try:
            metadata = self._session.get_modelmeta().custom_metadata_map
            self._outputs = [entry.name for entry in self._session.get_outputs()]
            inputs = {entry.name: (entry.type, entry.shape) for entry in self._session.get_inputs()}
        except UnicodeDecodeError as error:
            raise ModelFileError(
                "the model file is damaged: its metadata are not valid UTF-8"
            ) from error
        self.contract = Contract.from_metadata(metadata)
        self._check_graph(inputs)
        self._check_golden()

    def run(self, images: NDArray[np.uint8]) -> ModelOutput:
        """Run a batch, uint8 ``[N, height, width, 1]``, on the calling thread."""
        values = dict(
            zip(self._outputs, self._session.run(self._outputs, {"image": images}), strict=True)
        )
        others = ("evidence", "distance", "lungs", "lung_mask")
        return ModelOutput(values["probabilities"], *(values.get(name) for name in others))

    @property
    def has_evidence(self) -> bool:
        """Whether the file has the evidence map."""
        return "evidence" in self._outputs

    def _check_graph(self, inputs: dict[str, tuple[str, list[int | str]]]) -> None:
        spec = self.contract.input
        kind, shape = inputs.get("image", ("", []))
        expected = ("tensor(uint8)", [spec.height, spec.width, 1])
        if len(inputs) != 1 or (kind, shape[1:]) != expected:
            raise ModelFileError(
                "the graph's input is not uint8 image [N, height, width, 1] as its contract says"
            )
        if "probabilities" not in self._outputs:
            raise ModelFileError("the graph has no output named probabilities")
        if ("distance" in self._outputs) != (self.contract.input_check_limit is not None):
            raise ModelFileError("the graph's distance output and the contract's limit go together")
        found = {"lungs", "lung_mask"} & set(self._outputs)
        if len(found) != (0 if self.contract.lung_rule is None else 2):
            raise ModelFileError(
                "the graph's outputs lungs and lung_mask and the contract's lung rule go together"
            )

    def _check_golden(self) -> None:
        spec = self.contract.input
        for golden in self.contract.golden:
            pattern = golden_pattern(golden.pattern, spec.height, spec.width)
            if pattern_hash(pattern) != golden.sha256:
                raise ModelFileError(f"golden pattern {golden.pattern} is not the exported one")
            try:
                output = self.run(pattern[np.newaxis])
            except Exception as error:  # as above
                raise ModelFileError("the model file's graph fails when it runs") from error
            self._check_shapes(output)
            off = float(np.abs(output.probabilities[0] - golden.probabilities).max())
            if output.distance is not None and golden.distance is not None:
                apart = abs(float(output.distance[0]) - golden.distance)
                off = max(off, apart / max(1.0, golden.distance))
            if not off <= GOLDEN_TOLERANCE:
                raise ModelFileError(
                    f"this machine computes something else than the exporting one: golden pattern "
                    f"{golden.pattern} is off by {off:.3g} (at most {GOLDEN_TOLERANCE})"
                )

    def _check_shapes(self, output: ModelOutput) -> None:
        classes = len(self.contract.labels)
        if output.probabilities.shape != (1, classes):
            raise ModelFileError("the graph gives another number of classes than its labels")
        evidence, distance = output.evidence, output.distance
        if evidence is not None and (evidence.ndim != 4 or evidence.shape[:2] != (1, classes)):
            raise ModelFileError("the graph's evidence is not one map for each label")
        if distance is not None and distance.shape != (1,):
            raise ModelFileError("the graph's distance is not one number for each image")
        lungs, mask = output.lungs, output.lung_mask
        if lungs is not None and lungs.shape != (1, 4):
            raise ModelFileError("the graph's lungs are not one box for each image")
        if mask is not None and (mask.ndim != 3 or len(mask) != 1):
            raise ModelFileError("the graph's lung_mask is not one map for each image")
