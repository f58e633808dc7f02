"""LitServe: as many worker processes as there are cores, no batching."""

from typing import Any

import litserve
from answer import PORT, WORKERS, Model
from fastapi import Request


class Api(litserve.LitAPI):
    """LitServe's four steps."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe gives it
        """Load the model in a worker."""
        self.model = Model()

    def decode_request(self, request: Request) -> bytes:
        """The multipart form's file; LitServe hands the form over in the request's place."""
        return request["file"].file.read()

    def predict(self, x: bytes) -> dict[str, dict[str, float]]:
        """Answer one image file."""
        return self.model.answer(x)

    def encode_response(self, output: Any) -> Any:
        """Its JSON."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(),
        accelerator="cpu",
        workers_per_device=WORKERS,
        timeout=120,
        disable_openapi_url=True,
    )
    server.run(
        host="127.0.0.1",
        port=PORT,
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
