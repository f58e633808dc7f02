"""MLServer: a runtime with a pool of as many threads as there are cores.

Its own parallel workers die on Python 3.11 with uvloop 0.23, so `parallel_workers` is 0.
"""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor

from answer import WORKERS, Model
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Classifier(MLModel):
    """MLServer's runtime."""

    async def load(self) -> bool:
        """Load the model."""
        self._model = Model()
        self._threads = ThreadPoolExecutor(WORKERS)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one image file, which the protocol carries as base64."""
        answer = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._answer, payload.inputs[0].data[0]
        )
        values = list(answer["probabilities"].values())
        output = ResponseOutput(
            name="probabilities", shape=[1, len(values)], datatype="FP32", data=values
        )
        return InferenceResponse(model_name=self.name, outputs=[output])

    def _answer(self, text: str) -> dict[str, dict[str, float]]:
        return self._model.answer(base64.b64decode(text))
