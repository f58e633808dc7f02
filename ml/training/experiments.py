"""The five experiments, from a plain network to the int8 ensemble, on the same split.

Every model is measured as it would be served: answers, size and latency are those of its ONNX
file, on one thread.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.contract.decoding import Pixels
from ml.contract.preprocessing import to_input
from ml.packaging.compose import Voter, compose
from ml.packaging.export import export_in_fresh_process
from ml.packaging.member import FLOAT_FILE, package_member
from ml.packaging.quantize import choose_calibration_inputs
from ml.packaging.results import MemberExport
from ml.params import Params
from ml.training.augmentation import Augmentation
from ml.training.bench import measure_row
from ml.training.data import TrainingData
from ml.training.ensemble import fit_ensemble
from ml.training.fit import train_member
from ml.training.member_files import read_validation
from ml.training.projection import Projection
from ml.training.results import EnsembleDefinition, ExperimentRow, ExperimentTable, MemberResult

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
    rows: list[ExperimentRow] = []
    initialisation = params.training.initialisation

    def measure(graph: Path, output: str, name: str, description: str, seconds: float) -> None:
        row = measure_row(
            graph,
            output,
            data.test_images,
            data.test_labels,
            name=name,
            description=description,
            critical=params.data.labels.index(params.data.critical_label),
            classes=len(params.data.labels),
            train_seconds=round(seconds, 1),
        )
        rows.append(row)
        logger.info("%s: accuracy %.3f, macro F1 %.3f.", name, row.accuracy, row.macro_f1)
        if on_row is not None:
            on_row(row)

    def train(name: str, key: str, views: Augmentation | None = None) -> MemberResult:
        return _train(name, data.training, params, folder / key, views, folder / "features")

    def exported(key: str) -> Path:
        return export_in_fresh_process(folder / key, folder / key / FLOAT_FILE)

    plain = train(BASELINE, "baseline")
    measure(exported("baseline"), "logits", "scratch", f"{BASELINE} from scratch", plain.seconds)
    tuned = train(transfer, f"member-{transfer}")
    tuned_text = f"{transfer} from {initialisation}, last {params.training.trainable_layers} layers"
    if initialisation == "random":
        tuned_text = f"{transfer} from random weights, all layers"
    measure(exported(f"member-{transfer}"), "logits", "transfer", tuned_text, tuned.seconds)
    varied = train(transfer, "augmented", INTENSIVE)
    measure(
        exported("augmented"),
        "logits",
        "augmentation",
        f"{transfer} with intensive augmentation",
        varied.seconds,
    )
    names = params.training.members
    members = {name: train(name, f"member-{name}") for name in names}
    seconds = sum(member.seconds for member in members.values())
    definition, projection = _fit(data, params, {n: folder / f"member-{n}" for n in names})
    exports = {name: _package(data, params, folder / f"member-{name}") for name in names}
    for name, description, paths in (
        ("ensemble", "weighted vote in fp32", dict.fromkeys(names, FLOAT_FILE)),
        (
            "int8",
            "the same vote, int8 where it keeps its labels",
            {n: export.path for n, export in exports.items()},
        ),
    ):
        graph = compose(
            [
                Voter(folder / f"member-{member}" / paths[member], member, weight)
                for member, weight in definition.voters.items()
            ],
            temperature=definition.temperature,
            projection=projection,
            out=folder / f"{name}.onnx",
        )
        measure(graph, "probabilities", name, description, seconds)
    return ExperimentTable(
        test_images=len(data.test_labels), critical_label=params.data.critical_label, rows=rows
    )


def _train(
    name: str,
    data: TrainingData,
    params: Params,
    folder: Path,
    views: Augmentation | None,
    feature_cache: Path,
) -> MemberResult:
    training = params.training
    if name == BASELINE:
        training = training.model_copy(update={"initialisation": "random", "head_epochs": 0})
    return train_member(
        name,
        data=data,
        labels=params.data.labels,
        params=training,
        spec=params.image.spec,
        folder=folder,
        augmentation=views,
        feature_cache=feature_cache,
    )


def _fit(
    data: ExperimentData, params: Params, folders: dict[str, Path]
) -> tuple[EnsembleDefinition, Projection]:
    return fit_ensemble(
        {name: read_validation(folder) for name, folder in folders.items()},
        data.training.validation_labels,
        data.validation_groups,
        data.validation_statistics,
        label_names=params.data.labels,
        critical_label=params.data.critical_label,
        params=params.ensemble,
    )


def _package(data: ExperimentData, params: Params, folder: Path) -> MemberExport:
    return package_member(
        folder,
        calibration_inputs=choose_calibration_inputs(
            data.training.train_images, params.quantization
        ),
        validation_inputs=to_input(data.training.validation_images),
        params=params.quantization,
    )
