"""Epochs over a compiled step: shuffled batches, a scheduled rate, the best state kept."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
import numpy.typing as npt

from ml.contract.errors import TrainingFailed
from ml.training.optimizer import scheduled_rate
from ml.training.results import EpochRecord, Phase, ValidationScores
from ml.training.steps import Floats, Labels, TrainStep

logger = logging.getLogger(__name__)

Batch = Callable[[npt.NDArray[np.int64]], tuple[Floats, Labels]]
OnEpoch = Callable[[EpochRecord], None]


@dataclass(slots=True)
class Progress:
    """What has been trained so far, over all phases; `best` is judged by validation log loss."""

    variables: list[keras.Variable]
    on_epoch: OnEpoch | None = None
    history: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    best: ValidationScores | None = None
    _best_values: list[np.ndarray] = field(default_factory=list)

    def record(self, epoch: EpochRecord) -> None:
        """Append an epoch and keep its state if it is the best so far."""
        self.history.append(epoch)
        if self.best is None or epoch.validation.log_loss < self.best.log_loss:
            self.best_epoch, self.best = epoch.epoch, epoch.validation
            self._best_values = [variable.numpy() for variable in self.variables]
        if self.on_epoch is not None:
            self.on_epoch(epoch)

    def restore_best(self) -> None:
        """Put the best state back into the model."""
        for variable, value in zip(self.variables, self._best_values, strict=True):
            variable.assign(value)


def run_epochs(
    step: TrainStep,
    batch: Batch,
    validate: Callable[[], ValidationScores],
    progress: Progress,
    *,
    phase: Phase,
    examples: int,
    batch_size: int,
    epochs: int,
    peak_rate: float,
    patience: int,
    rng: np.random.Generator,
) -> None:
    """Train until `epochs` or until `patience` epochs brought no better validation log loss.

    Args:
        batch: positions → inputs and labels; augmentation happens there.
        examples: how many positions there are; a last incomplete batch is left out of the epoch.

    Raises:
        TrainingFailed: the loss is no longer a number.
    """
    per_epoch = examples // batch_size
    first = len(progress.history)
    for epoch in range(first + 1, first + epochs + 1):
        started = time.monotonic()
        losses, rate = [], 0.0
        order = rng.permutation(examples)[: per_epoch * batch_size].reshape(per_epoch, batch_size)
        for number, positions in enumerate(order):
            done = (epoch - first - 1) * per_epoch + number
            rate = scheduled_rate(done, epochs * per_epoch, peak_rate)
            losses.append(float(step(*batch(positions), np.float32(rate))))
        record = EpochRecord(
            epoch=epoch,
            phase=phase,
            learning_rate=rate,
            loss=_finite(float(np.mean(losses)), epoch),
            validation=validate(),
            seconds=round(time.monotonic() - started, 2),
        )
        _finite(record.validation.log_loss, epoch)
        progress.record(record)
        if epoch - max(progress.best_epoch, first) >= patience:
            logger.info("No better for %d epochs: stopping early.", patience)
            return


def _finite(loss: float, epoch: int) -> float:
    if not math.isfinite(loss):
        raise TrainingFailed(
            f"The loss became {loss} in epoch {epoch}.",
            remedy="Lower training.learning_rate.",
        )
    return loss
