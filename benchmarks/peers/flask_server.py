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

from benchmarks.peers.judge import Judge
from training.architectures import efficientnet_lite0

app = Flask(__name__)
_judge = Judge(sys.argv[3]) if len(sys.argv) > 3 else None


def main() -> None:
    """Serve with Flask's own threaded server."""
    assert _judge is not None
    height, width = _judge._size
    labels = _judge.labels
    model = efficientnet_lite0(height, len(labels))

    @app.post("/predict")
    def predict() -> dict[str, float]:
        image = Image.open(io.BytesIO(request.files["file"].read())).convert("L")
        pixels = np.asarray(image.resize((width, height)), np.float32)[np.newaxis, ..., np.newaxis]
        return dict(zip(labels, map(float, model.predict(pixels, verbose=0)[0]), strict=True))

    model.predict(np.zeros((1, height, width, 1), np.float32), verbose=0)
    app.run("127.0.0.1", int(sys.argv[1]), threaded=True)


if __name__ == "__main__":
    main()
