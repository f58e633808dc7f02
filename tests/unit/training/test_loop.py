import numpy as np
import pytest

from ml.contract.errors import TrainingFailed
from ml.training.loop import Progress, run_epochs
from ml.training.results import ValidationScores
from ml.training.scores import score


class Losses:
    """A step and a validation that answer from a list, as a training would."""

    def __init__(self, validation: list[float], *, loss: float = 1.0) -> None:
        self.validation = iter(validation)
        self.loss = loss
        self.rates: list[float] = []

    def step(self, inputs, labels, rate) -> float:
        self.rates.append(float(rate))
        return self.loss

    def validate(self) -> ValidationScores:
        return ValidationScores(log_loss=next(self.validation), accuracy=0.5, macro_f1=0.5)


def run(losses: Losses, *, epochs: int, patience: int = 2) -> Progress:
    progress = Progress(variables=[])
    run_epochs(
        losses.step,
        lambda positions: (positions, positions),
        losses.validate,
        progress,
        phase="fine_tune",
        examples=10,
        batch_size=4,
        epochs=epochs,
        peak_rate=0.1,
        patience=patience,
        rng=np.random.default_rng(0),
    )
    return progress


def test_training_stops_when_patience_runs_out_and_remembers_the_best_epoch():
    progress = run(Losses([0.9, 0.5, 0.6, 0.7, 0.1]), epochs=5)
    assert progress.best_epoch == 2
    assert len(progress.history) == 4


def test_every_epoch_has_full_batches_only():
    losses = Losses([0.9, 0.8, 0.7])
    run(losses, epochs=3)
    assert len(losses.rates) == 6
    assert max(losses.rates) == pytest.approx(0.1)


def test_a_loss_that_is_no_number_is_refused():
    with pytest.raises(TrainingFailed, match="nan in epoch 1"):
        run(Losses([0.9], loss=float("nan")), epochs=1)


def test_scores_of_certain_and_of_even_answers():
    labels = np.array([0, 1, 2])
    certain = score(np.eye(3) * 50, labels)
    assert certain.accuracy == 1
    assert certain.log_loss == pytest.approx(0, abs=1e-6)
    assert score(np.zeros((3, 3)), labels).log_loss == pytest.approx(np.log(3))
