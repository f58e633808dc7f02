"""The five experiments, from a plain network to the int8 ensemble, on the same split.

Every model is measured as it would be served: answers, size and latency are those of its ONNX
file, on one thread.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.contract.decoding import Pixels
from ml.contract.preprocessing import to_input
from ml.packaging.compose import Voter, compose
from ml.packaging.member import FLOAT_FILE, float_graph, package_member
from ml.packaging.quantize import choose_calibration_inputs
from ml.params import Params
from ml.training.augmentation import Augmentation
from ml.training.bench import measure_row
from ml.training.data import TrainingData
from ml.training.ensemble import fit_ensemble
from ml.training.fit import train_member
from ml.training.member_files import read_validation
from ml.training.results import ExperimentRow, ExperimentTable, MemberResult

logger = logging.getLogger(__name__)

OnRow = Callable[[ExperimentRow], None]

BASELINE = "cnn"
TRANSFER = "resnet50"
INTENSIVE = Augmentation(
    rotation_degrees=30.0, zoom=0.2, horizontal_flip=True, shift=0.1, gain=0.2, contrast=0.25
)


@dataclass(frozen=True, slots=True)
class ExperimentData:
    """One split for all experiments; groups and statistics are those of validation images."""

    training: TrainingData
    test_images: Pixels
    test_labels: npt.NDArray[np.int64]
    validation_groups: npt.NDArray
    validation_statistics: pd.DataFrame


def run_experiments(
    data: ExperimentData,
    *,
    params: Params,
    folder: Path,
    transfer: str = TRANSFER,
    on_row: OnRow | None = None,
) -> ExperimentTable:
    """Train, export and measure all five; what is already in `folder` is not trained again.

    Args:
        transfer: the architecture of the transfer experiments.
        on_row: called with each row when it is there.

    Raises:
        TrainingFailed: the data cannot train one of the models.
        Unavailable: ImageNet weights cannot be downloaded.
    """
    bench = _Bench(data, params, folder)
    rows = []
    for row in chain(_single_models(bench, transfer), _ensembles(bench)):
        logger.info("%s: accuracy %.3f, macro F1 %.3f.", row.name, row.accuracy, row.macro_f1)
        rows.append(row)
        if on_row is not None:
            on_row(row)
    return ExperimentTable(
        test_images=len(data.test_labels), critical_label=params.data.critical_label, rows=rows
    )


@dataclass(frozen=True, slots=True)
class _Bench:
    """Data, parameters and folder of all experiments."""

    data: ExperimentData
    params: Params
    folder: Path

    def member_folder(self, name: str) -> Path:
        return self.folder / f"member-{name}"

    def train(
        self, name: str, folder: Path, augmentation: Augmentation | None = None
    ) -> MemberResult:
        training = self.params.training
        if name == BASELINE:
            training = training.model_copy(update={"initialisation": "random", "head_epochs": 0})
        return train_member(
            name,
            data=self.data.training,
            labels=self.params.data.labels,
            params=training,
            spec=self.params.image.spec,
            folder=folder,
            augmentation=augmentation,
            feature_cache=self.folder / "features",
        )

    def measure(
        self, graph: Path, output: str, name: str, description: str, seconds: float
    ) -> ExperimentRow:
        labels = self.params.data.labels
        return measure_row(
            graph,
            output,
            self.data.test_images,
            self.data.test_labels,
            name=name,
            description=description,
            critical=labels.index(self.params.data.critical_label),
            classes=len(labels),
            train_seconds=round(seconds, 1),
        )


def _single_models(bench: _Bench, transfer: str) -> Iterator[ExperimentRow]:
    training = bench.params.training
    transferred = f"{transfer} from {training.initialisation}"
    if training.initialisation == "random":
        transferred += " weights, all layers"
    else:
        transferred += f", last {training.trainable_layers} layers"
    for name, architecture, folder, augmentation, description in (
        ("scratch", BASELINE, bench.folder / "baseline", None, f"{BASELINE} from random weights"),
        ("transfer", transfer, bench.member_folder(transfer), None, transferred),
        (
            "augmentation",
            transfer,
            bench.folder / "augmented",
            INTENSIVE,
            f"{transferred}, intensive augmentation",
        ),
    ):
        member = bench.train(architecture, folder, augmentation)
        yield bench.measure(float_graph(folder), "logits", name, description, member.seconds)


def _ensembles(bench: _Bench) -> Iterator[ExperimentRow]:
    data, params = bench.data, bench.params
    names = params.training.members
    members = [bench.train(name, bench.member_folder(name)) for name in names]
    seconds = sum(member.seconds for member in members)
    definition, projection = fit_ensemble(
        {name: read_validation(bench.member_folder(name)) for name in names},
        data.training.validation_labels,
        data.validation_groups,
        data.validation_statistics,
        label_names=params.data.labels,
        critical_label=params.data.critical_label,
        params=params.ensemble,
    )
    exports = {
        name: package_member(
            bench.member_folder(name),
            calibration_inputs=choose_calibration_inputs(
                data.training.train_images, params.quantization
            ),
            validation_inputs=to_input(data.training.validation_images),
            params=params.quantization,
        )
        for name in names
    }
    int8_files = {name: export.path for name, export in exports.items()}
    for name, description, files in (
        ("ensemble", "weighted vote in fp32", dict.fromkeys(names, FLOAT_FILE)),
        ("int8", "the same vote, int8 where it keeps its labels", int8_files),
    ):
        graph = compose(
            [
                Voter(bench.member_folder(member) / files[member], member, weight)
                for member, weight in definition.voters.items()
            ],
            temperature=definition.temperature,
            projection=projection,
            out=bench.folder / f"{name}.onnx",
        )
        yield bench.measure(graph, "probabilities", name, description, seconds)
