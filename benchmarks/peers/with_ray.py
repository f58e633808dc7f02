"""Ray Serve: as many replicas as there are cores, no batching."""

import threading

import ray
from answer import PORT, WORKERS, Model
from ray import serve
from starlette.requests import Request


@serve.deployment(
    num_replicas=WORKERS,
    max_ongoing_requests=64,
    ray_actor_options={"num_cpus": 1},
    logging_config={"enable_access_log": False},
)
class Classifier:
    """Ray Serve's deployment."""

    def __init__(self) -> None:
        self._model = Model()

    async def __call__(self, request: Request) -> dict[str, dict[str, float]]:
        """Answer one image file."""
        async with request.form() as form:
            data = await form["file"].read()
        return self._model.answer(data)


if __name__ == "__main__":
    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(Classifier.bind(), route_prefix="/predict")
    threading.Event().wait()
