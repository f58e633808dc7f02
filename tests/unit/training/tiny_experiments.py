"""The five experiments, small enough to be trained in tests."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ml.contract.quality import measure
from ml.evaluation.experiment_table import ExperimentTable
from ml.params import Params, load_params
from ml.settings import PROJECT_ROOT
from ml.training.data import TrainingData
from ml.training.experiments import run_experiments
from ml.training.results import MemberResult
from ml.training.trials import ExperimentData
from tests.unit.training.examples import blobs, small_data


class Watcher:
    """Keeps what was told while the experiments ran."""

    def __init__(self) -> None:
        self.rows: dict[str, object] = {}
        self.members: dict[str, dict[str, MemberResult]] = {}
        self.epochs: list[str] = []

    def tell_epochs(self, title, _):
        return lambda _: self.epochs.append(title)

    def on_row(self, row, members):
        self.rows[row.name] = row
        self.members[row.name] = dict(members)


def tiny_params(*overrides: str) -> Params:
    return load_params(
        PROJECT_ROOT / "params.toml",
        profile="demo",
        overrides=[
            'training.members=["cnn"]',
            "training.epochs=3",
            "training.batch_size=8",
            "training.learning_rate=3e-3",
            "training.trainable_layers=3",
            "image.size=32",
            "quantization.calibration_images=16",
            "quantization.max_flip_rate=1.0",
            "quantization.max_critical_loss=1.0",
            "quantization.min_saving=-1000.0",
            "evaluation.bootstrap_rounds=100",
            'experiments.transfer="cnn"',
            # Then the baseline is the transfer network: one training less.
            "experiments.baseline_learning_rate=3e-3",
            "experiments.ablation_head_epochs=2",
            *overrides,
        ],
    )


def unbalanced(data: TrainingData) -> TrainingData:
    """Every other image of the critical label is left out of the training split."""
    critical = np.flatnonzero(data.train_labels == 2)
    kept = np.setdiff1d(np.arange(len(data.train_labels)), critical[::2])
    return replace(data, train_images=data.train_images[kept], train_labels=data.train_labels[kept])


def tiny_data() -> ExperimentData:
    training = unbalanced(small_data())
    test_images, test_labels = blobs(24, seed=3)
    return ExperimentData(
        training=training,
        validation_groups=np.arange(30) // 2,
        validation_statistics=pd.DataFrame(
            [measure(image[..., 0]).model_dump() for image in training.validation_images]
        ),
        test_images=test_images,
        test_labels=test_labels,
        test_groups=np.arange(24) // 2,
    )


def run(
    folder: Path, params: Params, watcher: Watcher, data: ExperimentData | None = None
) -> ExperimentTable:
    return run_experiments(
        data or tiny_data(),
        dataset_id="d",
        params=params,
        folder=folder,
        feature_cache=folder / "features",
        tell_epochs=watcher.tell_epochs,
        on_row=watcher.on_row,
    )
