"""Ray Serve: one replica a core, each one image at a time, the raw body."""

import os
import signal
import sys

# a proxy that is slow to start would be killed after 5 s
os.environ["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"] = "60"

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peer_servers.predictor import image_predictor


@serve.deployment(max_ongoing_requests=2, ray_actor_options={"num_cpus": 0})
class Pneumonia:
    """One replica."""

    def __init__(self, model: str) -> None:
        self.predict_image = image_predictor(model)

    async def __call__(self, request: Request) -> dict[str, float]:
        return self.predict_image(await request.body())


if __name__ == "__main__":
    workers = int(sys.argv[2])
    # logical cores bind nothing: each replica runs one image at a time on one thread
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Pneumonia.options(num_replicas=workers).bind(sys.argv[3]), route_prefix="/predict")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()
