"""A training that is killed and started again ends in the same bits as one that was not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ml.training.fit import train_member
from ml.training.resume import CHECKPOINT_FILE
from tests.unit.training.examples import LABELS, PARAMS, SPEC, small_data

EPOCHS = 3


class Killed(Exception):
    """What ends a training in the middle here; a killed process leaves no more behind."""


class KillAfter:
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.seen: list[int] = []

    def __call__(self, record) -> None:
        self.seen.append(record.epoch)
        if record.epoch == self.epoch:
            raise Killed


def train(folder: Path, *, on_epoch=None, **changes):
    return train_member(
        "cnn",
        data=small_data(),
        labels=LABELS,
        params=PARAMS.model_copy(update={"epochs": EPOCHS, **changes}),
        spec=SPEC,
        folder=folder,
        on_epoch=on_epoch,
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return train(tmp_path_factory.mktemp("undisturbed") / "cnn", head_epochs=2)


@pytest.mark.parametrize("epoch", [2, 4])
def test_a_stopped_training_goes_on_after_its_last_epoch(tmp_path, undisturbed, epoch):
    folder, killer = tmp_path / "cnn", KillAfter(epoch)
    with pytest.raises(Killed):
        train(folder, on_epoch=killer, head_epochs=2)
    rest = KillAfter(0)
    result = train(folder, on_epoch=rest, head_epochs=2)
    # A head on cached features takes no time: it starts anew.
    assert rest.seen == [number for number in range(1, 6) if epoch < 3 or number > epoch]
    assert result.weights_sha256 == undisturbed.weights_sha256
    assert [r.loss for r in result.history] == [r.loss for r in undisturbed.history]
    assert not (folder / CHECKPOINT_FILE).exists()


def test_a_training_that_had_stopped_early_is_not_trained_on(tmp_path):
    never_better = {"learning_rate": 1e-12, "early_stopping_patience": 1, "epochs": 6}
    folder, killer = tmp_path / "cnn", KillAfter(2)
    with pytest.raises(Killed):
        train(folder, on_epoch=killer, **never_better)
    result = train(folder, **never_better)
    undisturbed = train(tmp_path / "undisturbed", **never_better)
    assert result.epochs == undisturbed.epochs
    assert result.weights_sha256 == undisturbed.weights_sha256


@pytest.mark.parametrize("damage", ["other parameters", "cut"])
def test_a_checkpoint_that_cannot_be_used_is_ignored_and_said(tmp_path, damage, caplog):
    folder = tmp_path / "cnn"
    learning_rate = 1e-3 if damage == "other parameters" else PARAMS.learning_rate
    with pytest.raises(Killed):
        train(folder, on_epoch=KillAfter(1), learning_rate=learning_rate)
    file = folder / CHECKPOINT_FILE
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-1000])
    seen = KillAfter(0)
    train(folder, on_epoch=seen)
    assert seen.seen == [1, 2, 3]
    assert "training starts anew" in caplog.text


PROGRAM = """
import sys
from pathlib import Path
from tests.unit.training.test_resume import train
train(
    Path(sys.argv[1]),
    on_epoch=lambda record: print("epoch", record.epoch, flush=True),
    head_epochs=2,
)
"""


def test_a_process_killed_in_its_third_epoch_ends_in_the_same_bits(tmp_path, undisturbed):
    folder = tmp_path / "cnn"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 3"):
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait(20)
    assert (folder / CHECKPOINT_FILE).is_file()
    seen = KillAfter(0)
    result = train(folder, on_epoch=seen, head_epochs=2)
    assert 3 not in seen.seen
    assert result.weights_sha256 == undisturbed.weights_sha256
