"""What every peer does with an image: the service's own decoder and resize, the same session."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort

from service.imaging.decode import decode
from service.imaging.preprocess import DECODE_MARGIN, to_model_input
from service.imaging.radiograph import Limits


class ImagePredictor:
    """A model file, ready for encoded images on the calling thread."""

    def __init__(self, path: Path | str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # two images on two cores beat one image on two
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        self._session = ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        metadata = self._session.get_modelmeta().custom_metadata_map
        contract = json.loads(metadata["pneumonia_contract"])
        self.labels: list[str] = contract["labels"]
        self.size = contract["input"]["height"], contract["input"]["width"]
        self._resampling = contract["input"]["resampling"]

    def image(self, data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Encoded bytes to the model's input, uint8 ``[height, width, 1]``."""
        radiograph = decode(data, Limits(), DECODE_MARGIN * max(self.size))
        return to_model_input(radiograph.image, *self.size, self._resampling)

    def __call__(self, data: bytes) -> dict[str, float]:
        """Encoded bytes to label -> probability."""
        (rows,) = self._session.run(["probabilities"], {"image": self.image(data)[np.newaxis]})
        return dict(zip(self.labels, map(float, rows[0]), strict=True))
