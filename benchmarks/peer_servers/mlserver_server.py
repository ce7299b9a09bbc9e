"""MLServer: a runtime of our own, one process a core, base64 as its protocol has images."""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.peer_servers.predictor import image_predictor


class Pneumonia(MLModel):
    """The runtime."""

    async def load(self) -> bool:
        self._predict = image_predictor(os.environ["PEER_MODEL"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (data,) = Base64Codec.decode_input(payload.inputs[0])
        probabilities = np.array([list(self._predict(data).values())], np.float32)
        outputs = [NumpyCodec.encode_output("probabilities", probabilities)]
        return InferenceResponse(model_name=self.name, outputs=outputs)


if __name__ == "__main__":
    os.environ["PEER_MODEL"] = sys.argv[3]
    folder = Path(tempfile.mkdtemp())
    server = {
        "host": "127.0.0.1",
        "http_port": int(sys.argv[1]),
        "grpc_port": int(sys.argv[1]) + 1,
        "metrics_endpoint": None,
        "parallel_workers": int(sys.argv[2]),
        "debug": False,
    }
    runtime = "benchmarks.peer_servers.mlserver_server.Pneumonia"
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(
        json.dumps({"name": "pneumonia", "implementation": runtime})
    )
    program = str(Path(sys.executable).parent / "mlserver")
    os.execv(program, [program, "start", str(folder)])
