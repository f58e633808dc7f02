"""What the comparison does when models cannot be trained, or when training itself cannot go on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.contract.bundle import InputSpec
from ml.contract.errors import DiskFull, TrainingFailed
from ml.training.architectures import BACKBONE
from ml.training.initialisation import build_member
from ml.training.trials import ExperimentData
from tests.unit.training.tiny_experiments import Watcher, run, tiny_data, tiny_params

pytestmark = pytest.mark.slow

TOO_FEW = "SMOTE needs at least 2 training images of malignant, there is 1"
COLLAPSED = "cnn-2 (cnn-2 gives every validation image the same answer)"
DIVERGES = "experiments.baseline_learning_rate=1e30"


class Interrupted(Watcher):
    """Something that no other model would survive happens after the first epoch."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def tell_epochs(self, title, _):
        def raise_it(_):
            raise self.error

        return raise_it


def dead_weights(path: Path) -> Path:
    """Backbone weights of zeros: no image tells anything, and no gradient leads out of it."""
    backbone = build_member(
        "cnn",
        InputSpec(height=32, width=32, channels=1),
        3,
        initialisation="random",
        dropout=0.1,
        l2=0.0,
    ).get_layer(BACKBONE)
    backbone.set_weights([np.zeros_like(values) for values in backbone.get_weights()])
    backbone.save_weights(path)
    return path


def with_one_critical_image(data: ExperimentData) -> ExperimentData:
    """SMOTE has nothing to interpolate between."""
    training = data.training
    critical = np.flatnonzero(training.train_labels == 2)
    kept = np.setdiff1d(np.arange(len(training.train_labels)), critical[1:])
    return replace(
        data,
        training=replace(
            training,
            train_images=training.train_images[kept],
            train_labels=training.train_labels[kept],
        ),
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The baseline diverges, a member of the vote collapses, SMOTE cannot be done."""
    folder = tmp_path_factory.mktemp("failures")
    weights = dead_weights(folder / "dead.weights.h5")
    params = tiny_params(
        DIVERGES,
        "training.epochs=1",
        "experiments.ablation_head_epochs=1",
        'training.members=["cnn", "cnn-2"]',
        'training.member_initialisation={cnn-2="file"}',
        f'training.weights={{cnn="{weights}"}}',
    )
    watcher = Watcher()
    return run(folder, params, watcher, with_one_critical_image(tiny_data())), watcher


def test_models_that_cannot_be_trained_are_rows_and_the_others_go_on(finished):
    table, watcher = finished
    assert {row.name: row.reason.split(".")[0] for row in table.failed} == {
        "scratch": "The loss became nan in epoch 1",
        "smote": TOO_FEW,
        "class-weights-and-smote": TOO_FEW,
    }
    assert [row.name for row in table.measured] == [
        "transfer",
        "augmentation",
        "ensemble",
        "majority",
        "int8",
        "no-remedy",
        "class-weights",
    ]
    assert list(watcher.rows.values()) == table.rows
    assert watcher.members["scratch"] == {}


def test_nothing_is_compared_with_a_model_that_failed(finished):
    against = {row.name: row.difference and row.difference.against for row in finished[0].measured}
    assert against["transfer"] is None
    assert against["augmentation"] == "transfer"


def test_the_vote_goes_on_without_a_member_and_says_which(finished):
    table, watcher = finished
    assert list(watcher.members["ensemble"]) == ["cnn"]
    votes = [row for row in table.measured if row.name in ("ensemble", "majority", "int8")]
    for row in votes:
        assert (
            "; without cnn-2 (cnn-2 gives every validation image the same answer)"
            in row.description
        )
    assert all("cnn-2" not in row.description for row in table.measured if row not in votes)


def test_a_comparison_of_which_nothing_can_be_trained_is_refused_with_all_reasons(tmp_path):
    watcher = Watcher()
    params = tiny_params(DIVERGES, "training.learning_rate=1e30", "training.epochs=1")
    with pytest.raises(TrainingFailed, match="None of the experiments") as raised:
        run(tmp_path, params, watcher)
    assert len(raised.value.reasons) == len(watcher.rows) == 10
    rows = watcher.rows
    assert rows["int8"].reason.startswith("None of the members could be trained. cnn (The loss")
    assert rows["smote"].reason.startswith("What all four start from could not be trained: The lo")


@pytest.mark.parametrize(
    "error", [DiskFull("No room for a checkpoint."), KeyboardInterrupt()], ids=["disk", "person"]
)
def test_what_is_not_about_one_model_ends_the_comparison(tmp_path, error):
    watcher = Interrupted(error)
    with pytest.raises(type(error)):
        run(tmp_path, tiny_params("training.epochs=1"), watcher)
    assert watcher.rows == {}


def test_a_class_without_images_ends_the_comparison_before_any_training(tmp_path):
    data = tiny_data()
    labels = np.where(data.training.validation_labels == 2, 1, data.training.validation_labels)
    data = replace(data, training=replace(data.training, validation_labels=labels))
    watcher = Watcher()
    with pytest.raises(TrainingFailed, match="validation split holds no image of malignant"):
        run(tmp_path, tiny_params(), watcher, data)
    assert watcher.epochs == []
    assert watcher.rows == {}
