import pytest

from ml.journey.train import duration, epoch_teller
from ml.training.results import EpochRecord, ValidationScores
from tests.unit.training.examples import PARAMS


def epoch(number: int, *, phase: str, left: int, seconds: float) -> EpochRecord:
    return EpochRecord(
        epoch=number,
        phase=phase,
        left=left,
        learning_rate=1e-3,
        loss=0.5,
        validation=ValidationScores(log_loss=0.4, accuracy=0.8, macro_f1=0.7),
        seconds=seconds,
    )


def told(*epochs: EpochRecord) -> list[str]:
    lines: list[str] = []
    tell = epoch_teller("cnn", PARAMS, lines.append)
    for record in epochs:
        tell(record)
    return lines


def test_an_epoch_tells_what_is_left_from_the_epochs_of_its_phase():
    lines = told(
        epoch(1, phase="head", left=0, seconds=1),
        epoch(2, phase="fine_tune", left=9, seconds=30),
        epoch(3, phase="fine_tune", left=8, seconds=50),
    )
    assert lines[0].startswith("cnn head 1/1: loss 0.500")
    assert lines[0].endswith("1 s, then fine-tuning")
    assert lines[2].startswith("cnn epoch 3/11: ")
    assert lines[2].endswith("50 s, at most 5 min left")


def test_the_last_epoch_has_nothing_left():
    assert told(epoch(3, phase="fine_tune", left=0, seconds=5))[0].endswith("macro-F1 0.700, 5 s")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (120, "2 min"), (9000, "2.5 h")]
)
def test_durations_are_said_in_the_unit_that_fits(seconds, said):
    assert duration(seconds) == said
