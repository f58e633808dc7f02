"""BentoML: as many worker processes as there are cores, a thread in each, no batching."""

from pathlib import Path

import bentoml
from answer import WORKERS, Model


@bentoml.service(
    workers=WORKERS, threads=1, traffic={"timeout": 120}, logging={"access": {"enabled": False}}
)
class Classifier:
    """BentoML's service."""

    def __init__(self) -> None:
        self._model = Model()

    @bentoml.api
    def predict(self, file: Path) -> dict[str, dict[str, float]]:
        """Answer one image file."""
        return self._model.answer(file.read_bytes())
