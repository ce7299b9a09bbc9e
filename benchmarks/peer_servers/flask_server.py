"""Flask and Keras as a typical demo has them: one process, `model.predict` for each request.

The network is the service's own architecture; its weights matter for no speed, so they are those it
starts from.
"""

import io
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
from flask import Flask, request
from PIL import Image

from service.inference.model import OnnxModel
from training.architectures import efficientnet_lite0

app = Flask(__name__)
contract = OnnxModel(Path(sys.argv[3])).contract
size = contract.input.width, contract.input.height
model = efficientnet_lite0(contract.input.height, len(contract.labels))


@app.post("/predict")
def predict() -> dict[str, float]:
    """Label -> probability of the form's file."""
    image = Image.open(io.BytesIO(request.files["file"].read())).convert("L")
    pixels = np.asarray(image.resize(size), np.float32)[np.newaxis, ..., np.newaxis]
    return dict(zip(contract.labels, map(float, model.predict(pixels, verbose=0)[0]), strict=True))


if __name__ == "__main__":
    model.predict(np.zeros((1, *size[::-1], 1), np.float32), verbose=0)
    app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
