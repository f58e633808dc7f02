"""The five experiments, from a plain network to the int8 ensemble, on the same split.

Every model is measured as it would be served: answers, size and latency are those of its ONNX
file, on one thread.
"""

import logging
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np

from ml.contract.errors import TrainingFailed
from ml.evaluation.experiment_metrics import Answers
from ml.evaluation.experiment_table import ExperimentRow, ExperimentTable, Row
from ml.packaging.member import float_graph
from ml.params import Params
from ml.training.ablation import ablate_remedies
from ml.training.augmentation import Augmentation
from ml.training.bench import answer
from ml.training.imbalance import require_all_classes
from ml.training.trials import (
    ExperimentData,
    Members,
    TellEpochs,
    Trial,
    Trials,
    Tried,
    failed_row,
)
from ml.training.vote_experiments import measure_votes

logger = logging.getLogger(__name__)

OnRow = Callable[[Row, Members], None]


def run_experiments(
    data: ExperimentData,
    *,
    dataset_id: str,
    params: Params,
    folder: Path,
    feature_cache: Path,
    tell_epochs: TellEpochs | None = None,
    on_row: OnRow | None = None,
) -> ExperimentTable:
    """Train, export and measure all five, then take the remedies against rare classes apart.

    What is already in `folder` is not trained again. A model that cannot be trained becomes a row
    that says why, and the others go on.

    Args:
        feature_cache: where features of frozen backbones are kept between trainings.
        tell_epochs: title and parameters of a training → what is called after its epochs.
        on_row: called with each row when it is there, and the members trained for it.

    Raises:
        TrainingFailed: a class is missing, or none of the models could be trained.
        Unavailable: ImageNet weights cannot be downloaded.
        DiskFull: there is no room for features, a checkpoint or a member.
    """
    require_all_classes(data.training.train_labels, params.data.labels, "training")
    require_all_classes(data.training.validation_labels, params.data.labels, "validation")
    trials = Trials(data, params, folder, feature_cache, tell_epochs)
    rows: list[Row] = []
    for row, members in chain(
        _single_models(trials), measure_votes(trials), ablate_remedies(trials)
    ):
        if isinstance(row, ExperimentRow):
            logger.info("%s: accuracy %.3f.", row.name, row.metrics.accuracy.estimate)
        else:
            logger.warning("%s failed: %s", row.name, row.reason)
        rows.append(row)
        if on_row is not None:
            on_row(row, members)
    table = ExperimentTable(
        dataset_id=dataset_id,
        images=len(data.test_labels),
        groups=len(np.unique(data.test_groups)),
        critical_label=params.data.critical_label,
        critical_images=int(trials.truth.is_critical.sum()),
        confidence=params.evaluation.confidence,
        rows=rows,
    )
    if not table.measured:
        raise TrainingFailed(
            "None of the experiments could be trained.",
            reasons=[f"{row.title}: {row.reason}" for row in table.failed],
            remedy="Look at the first reason: it is often that of all.",
        )
    return table


def _single_models(trials: Trials) -> Tried:
    chosen = trials.params.experiments
    training = trials.params.training.of(chosen.transfer)
    scratch = trials.params.training.of(chosen.baseline).model_copy(
        update={
            "initialisation": "random",
            "head_epochs": 0,
            "learning_rate": chosen.baseline_learning_rate,
        }
    )
    transferred = "random weights" if training.initialisation == "random" else "transfer"
    intensive = trials.intensive_augmentation
    for name, title, trial, against in (
        (
            "scratch",
            f"1 {chosen.baseline} from scratch",
            Trial(chosen.baseline, scratch, Augmentation()),
            None,
        ),
        (
            "transfer",
            f"2 {chosen.transfer}, {transferred}",
            Trial(chosen.transfer, training, Augmentation()),
            "scratch",
        ),
        (
            "augmentation",
            "3 + intensive augmentation",
            Trial(chosen.transfer, training, intensive),
            "transfer",
        ),
    ):
        try:
            member = trials.train(trial, title)
        except TrainingFailed as error:
            yield failed_row(name, title, trial.describe(), str(error)), {}
            continue
        graph = float_graph(trials.folder_of(trial))
        row = trials.row(
            name,
            title,
            trial.describe(),
            Answers.of_logits(answer(graph, "logits", trials.data.test_images)),
            graph=graph,
            output="logits",
            seconds=member.seconds,
            against=against,
        )
        yield row, {trial.architecture: member}
