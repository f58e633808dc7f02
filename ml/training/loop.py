"""Epochs over a compiled step: shuffled batches, a scheduled rate, the best state kept."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import keras
import numpy as np
import numpy.typing as npt

from ml.contract.errors import TrainingFailed
from ml.training.optimizer import scheduled_rate
from ml.training.results import EpochRecord, Phase, ValidationScores
from ml.training.steps import Floats, Labels

logger = logging.getLogger(__name__)

Step = Callable[[Floats, Labels, np.float32], float]
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
    best_values: list[np.ndarray] = field(default_factory=list)

    def record(self, epoch: EpochRecord) -> None:
        """Append an epoch and keep its state if it is the best so far."""
        self.history.append(epoch)
        if self.best is None or epoch.validation.log_loss < self.best.log_loss:
            self.best_epoch, self.best = epoch.epoch, epoch.validation
            self.best_values = [variable.numpy() for variable in self.variables]

    def tell(self) -> None:
        """Report the newest epoch."""
        if self.on_epoch is not None:
            self.on_epoch(self.history[-1])

    def restore_best(self) -> None:
        """Put the best state back into the model."""
        for variable, value in zip(self.variables, self.best_values, strict=True):
            variable.assign(value)


def run_epochs(
    step: Step,
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
    keep: Callable[[], None] | None = None,
) -> None:
    """Train until `epochs` or until `patience` epochs brought no better validation log loss.

    Epochs of this phase that `progress` already holds are not repeated.

    Args:
        batch: positions → inputs and labels; augmentation happens there. Called from another
            thread, one batch ahead of the step, in the order of the batches.
        examples: how many positions there are; a last incomplete batch is left out of the epoch.
        keep: called after every epoch, before it is reported: what it writes is what a killed
            training goes on with.

    Raises:
        TrainingFailed: the loss is no longer a number.
    """
    per_epoch = examples // batch_size
    first = sum(record.phase != phase for record in progress.history)
    for epoch in range(len(progress.history) + 1, first + epochs + 1):
        if epoch - 1 - max(progress.best_epoch, first) >= patience:
            logger.info("No better for %d epochs: stopping early.", patience)
            return
        started = time.monotonic()
        losses, rate = [], 0.0
        order = rng.permutation(examples)[: per_epoch * batch_size].reshape(per_epoch, batch_size)
        for number, (inputs, labels) in enumerate(_prepared(batch, order)):
            done = (epoch - first - 1) * per_epoch + number
            rate = scheduled_rate(done, epochs * per_epoch, peak_rate)
            losses.append(float(step(inputs, labels, np.float32(rate))))
        record = EpochRecord(
            epoch=epoch,
            phase=phase,
            left=first + epochs - epoch,
            learning_rate=rate,
            loss=_finite(float(np.mean(losses)), epoch),
            validation=validate(),
            seconds=round(time.monotonic() - started, 2),
        )
        _finite(record.validation.log_loss, epoch)
        progress.record(record)
        if keep is not None:
            keep()
        progress.tell()


def _prepared(batch: Batch, order: npt.NDArray[np.int64]) -> Iterator[tuple[Floats, Labels]]:
    """Batches in order; the next one is made in the background while the caller uses this one.

    One thread makes them all, so that what they draw at random depends on their order alone.
    """
    with ThreadPoolExecutor(1) as background:
        upcoming = background.submit(batch, order[0])
        for positions in order[1:]:
            ready = upcoming.result()
            upcoming = background.submit(batch, positions)
            yield ready
        yield upcoming.result()


def _finite(loss: float, epoch: int) -> float:
    if not math.isfinite(loss):
        raise TrainingFailed(
            f"The loss became {loss} in epoch {epoch}.",
            remedy="Lower training.learning_rate.",
        )
    return loss
