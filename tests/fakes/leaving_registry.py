"""A registry that goes away in the middle of a move."""

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ml.registry.tracking import Tracker


class LeavingRegistry(Tracker):
    """The registry of a tracker; after so many moves of aliases it does not answer to another."""

    def __init__(self, tracker: Tracker, *, moves: int) -> None:
        super().__init__(tracker.tracking_uri, tracker.artifact_root)
        self.client = _LeavingClient(tracker.tracking_uri, moves)


class _LeavingClient(MlflowClient):
    def __init__(self, tracking_uri: str, moves: int) -> None:
        super().__init__(tracking_uri=tracking_uri)
        self._moves_left = moves

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        if self._moves_left == 0:
            raise MlflowException("connection refused")
        self._moves_left -= 1
        super().set_registered_model_alias(name, alias, version)
