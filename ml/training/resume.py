"""Where an interrupted training goes on: its whole state after the newest epoch, in one file."""

import json
import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ml.training.loop import Progress
from ml.training.results import EpochRecord, ValidationScores
from ml.training.whole_file import whole_file

logger = logging.getLogger(__name__)

CHECKPOINT_FILE = "checkpoint.npz"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one training and the file that keeps it; each write replaces the one before.

    `fingerprint` identifies data and parameters: a checkpoint of others is not gone on from.
    """

    path: Path
    fingerprint: str
    progress: Progress
    rng: np.random.Generator

    def write(self, slots: list[tf.Variable]) -> None:
        """Keep the model, the optimizer's `slots`, the epochs so far and the random state.

        Raises:
            DiskFull: there is no room; the checkpoint before stays.
        """
        progress = self.progress
        is_best = progress.best_epoch == len(progress.history)
        arrays: dict[str, Any] = {
            **_numbered("variable", [variable.numpy() for variable in progress.variables]),
            **_numbered("slot", [slot.numpy() for slot in slots]),
            **_numbered("best", [] if is_best else progress.best_values),
        }
        state = {
            "fingerprint": self.fingerprint,
            "history": [record.model_dump(mode="json") for record in progress.history],
            "best_epoch": progress.best_epoch,
            "best": progress.best.model_dump(mode="json") if progress.best else None,
            "rng": self.rng.bit_generator.state,
        }
        arrays["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
        for abandoned in self.path.parent.glob(f".{self.path.name}.*.part"):
            abandoned.unlink()  # of a process that was killed while it wrote
        needed = sum(array.nbytes for array in arrays.values())
        with whole_file(self.path, needed) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)

    def resume(self) -> list[np.ndarray] | None:
        """Put model, epochs and random state back where the interrupted training was.

        Returns:
            The optimizer's slots; None where there is nothing to go on from.
        """
        if not self.path.is_file():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                state = json.loads(arrays["state"].tobytes())
                variables, slots, best = (
                    _collected(name, arrays) for name in ("variable", "slot", "best")
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            logger.warning("%s is damaged, training starts anew: %s", self.path, error)
            return None
        if state["fingerprint"] != self.fingerprint:
            logger.warning(
                "%s belongs to other data or parameters: training starts anew.", self.path
            )
            return None
        progress = self.progress
        for variable, value in zip(progress.variables, variables, strict=True):
            variable.assign(value)
        progress.history[:] = [EpochRecord.model_validate(record) for record in state["history"]]
        progress.best_epoch = state["best_epoch"]
        progress.best = ValidationScores.model_validate(state["best"]) if state["best"] else None
        progress.best_values = best or variables
        self.rng.bit_generator.state = state["rng"]
        logger.info("Going on after epoch %d.", len(progress.history))
        return slots


def _numbered(name: str, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}-{number:05d}": array for number, array in enumerate(arrays)}


def _collected(name: str, arrays: np.lib.npyio.NpzFile) -> list[np.ndarray]:
    return [arrays[key] for key in sorted(arrays.files) if key.startswith(f"{name}-")]
