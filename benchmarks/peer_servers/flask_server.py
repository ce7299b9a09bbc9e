"""Flask and Keras as a typical demo has them: one process, `model.predict` for each request.

The network is the service's own architecture; its weights matter for no speed, so they are those it
starts from.
"""

import io
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
from flask import Flask, request
from PIL import Image

from benchmarks.peer_servers.predictor import ImagePredictor
from training.architectures import efficientnet_lite0

app = Flask(__name__)
file = ImagePredictor(sys.argv[3])
model = efficientnet_lite0(file.size[0], len(file.labels))


@app.post("/predict")
def predict() -> dict[str, float]:
    """Label -> probability of the form's file."""
    image = Image.open(io.BytesIO(request.files["file"].read())).convert("L")
    pixels = np.asarray(image.resize(file.size[::-1]), np.float32)[np.newaxis, ..., np.newaxis]
    return dict(zip(file.labels, map(float, model.predict(pixels, verbose=0)[0]), strict=True))


if __name__ == "__main__":
    model.predict(np.zeros((1, *file.size, 1), np.float32), verbose=0)
    app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
