"""LitServe: forms, one process a worker, the fast queue (documented for throughput)."""

import sys
from typing import Any

import litserve
from starlette.requests import Request

from benchmarks.peer_servers.predictor import image_predictor


class Api(litserve.LitAPI):
    """One worker."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        self.predict_image = image_predictor(sys.argv[3])

    def decode_request(self, request: Request) -> bytes:
        data: bytes = request["file"].file.read()  # type: ignore[index]
        return data

    def predict(self, x: bytes) -> dict[str, float]:
        return self.predict_image(x)

    def encode_response(self, output: dict[str, float]) -> dict[str, Any]:
        return {"probabilities": output}


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(), accelerator="cpu", workers_per_device=int(sys.argv[2]), fast_queue=True
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
