"""BentoML: one process a core, each one image at a time, at most what the cores can do in time."""

import os
import sys
from pathlib import Path

import bentoml

from benchmarks.peer_servers.predictor import image_predictor


@bentoml.service(
    name="pneumonia",
    workers=int(os.environ.get("PEER_WORKERS", "1")),
    threads=1,
    traffic={"timeout": 30},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Pneumonia:
    """The service."""

    def __init__(self) -> None:
        self.predict_image = image_predictor(os.environ["PEER_MODEL"])

    @bentoml.api
    def predict(self, file: Path) -> dict[str, float]:
        return self.predict_image(file.read_bytes())


if __name__ == "__main__":
    os.environ |= {"PEER_WORKERS": sys.argv[2], "PEER_MODEL": sys.argv[3], "DO_NOT_TRACK": "true"}
    program = str(Path(sys.executable).parent / "bentoml")
    where = ["--host", "127.0.0.1", "--port", sys.argv[1]]
    os.execv(
        program, [program, "serve", "benchmarks.peer_servers.bentoml_server:Pneumonia", *where]
    )
