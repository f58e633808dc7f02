"""The trainings and measurements that the experiments are made of."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.contract.errors import TrainingFailed
from ml.evaluation.experiment_metrics import Answers, Truth, measure_answers, paired_difference
from ml.evaluation.experiment_table import (
    Difference,
    ExperimentRow,
    FailedExperiment,
    Part,
    Row,
)
from ml.params import Params, TrainingParams
from ml.training.augmentation import Augmentation
from ml.training.bench import median_latency, size_mb
from ml.training.data import Images, TrainingData
from ml.training.fit import train_member
from ml.training.loop import OnEpoch
from ml.training.results import MemberResult

TellEpochs = Callable[[str, TrainingParams], OnEpoch]
Members = Mapping[str, MemberResult]
Tried = Iterator[tuple[Row, Members]]


@dataclass(frozen=True, slots=True)
class ExperimentData:
    """One split for all experiments; groups and statistics are rows of the named split."""

    training: TrainingData
    validation_groups: npt.NDArray
    validation_statistics: pd.DataFrame
    test_images: Images
    test_labels: npt.NDArray[np.int64]
    test_groups: npt.NDArray


@dataclass(frozen=True, slots=True)
class Trial:
    """One training: an architecture, its parameters and its views of training images."""

    architecture: str
    training: TrainingParams
    augmentation: Augmentation

    @property
    def folder_name(self) -> str:
        """Equal trials share a folder, so that two experiments train the same model once."""
        content = f"{self.training.model_dump_json()} {self.augmentation}"
        return f"{self.architecture}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def describe(self, start: str | None = None) -> str:
        """One line for the table: start, stages, remedies, views.

        Args:
            start: what the first weights are; by default the initialisation's name.
        """
        training, views = self.training, self.augmentation
        parts = [f"{self.architecture} from {start or f'{training.initialisation} weights'}"]
        weighted = " with class weights" if training.class_weights else ""
        if training.head_epochs:
            remedy = " balanced by SMOTE" if training.smote else weighted
            parts.append(f"head on frozen features{remedy}")
        scratch = training.initialisation == "random"
        layers = "all layers" if scratch else f"last {training.trainable_layers} layers"
        parts.append(layers + weighted)
        if views == Augmentation():
            parts.append("images as they are")
        else:
            flip = ", mirrored" if views.horizontal_flip else ""
            parts.append(f"rotated ±{views.rotation_degrees:g}°, zoomed ±{views.zoom:.0%}{flip}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Trials:
    """Data, parameters and folder of all experiments.

    `answers` of rows are kept to be compared with; `latencies` of graphs, so that rows of one
    graph do not differ by the noise of their timing; `failures` of trainings by their folder, so
    that none is tried twice.
    """

    data: ExperimentData
    params: Params
    folder: Path
    feature_cache: Path
    tell_epochs: TellEpochs | None = None
    answers: dict[str, Answers] = field(default_factory=dict)
    latencies: dict[Path, float] = field(default_factory=dict)
    failures: dict[str, TrainingFailed] = field(default_factory=dict)

    @property
    def truth(self) -> Truth:
        labels = self.params.data.labels
        return Truth(
            labels=self.data.test_labels,
            groups=self.data.test_groups,
            critical=labels.index(self.params.data.critical_label),
            classes=len(labels),
        )

    @property
    def intensive_augmentation(self) -> Augmentation:
        """The views of experiments 3 to 5."""
        chosen = self.params.experiments
        return Augmentation(
            rotation_degrees=chosen.rotation_degrees,
            zoom=chosen.zoom,
            horizontal_flip=chosen.horizontal_flip,
        )

    def folder_of(self, trial: Trial) -> Path:
        return self.folder / "members" / trial.folder_name

    def train(self, trial: Trial, title: str, champion: Path | None = None) -> MemberResult:
        """Train, unless the same training is already in its folder.

        Raises:
            TrainingFailed: this model cannot be trained; the others may be.
        """
        if trial.folder_name in self.failures:
            raise self.failures[trial.folder_name]
        try:
            return train_member(
                trial.architecture,
                data=self.data.training,
                labels=self.params.data.labels,
                params=trial.training,
                spec=self.params.image.spec,
                folder=self.folder_of(trial),
                champion=champion,
                augmentation=trial.augmentation,
                feature_cache=self.feature_cache,
                on_epoch=self.tell_epochs(title, trial.training) if self.tell_epochs else None,
            )
        except TrainingFailed as error:
            # A copy: the error itself would keep the model alive through its traceback.
            self.failures[trial.folder_name] = TrainingFailed(error.message, remedy=error.remedy)
            raise

    def row(
        self,
        name: str,
        title: str,
        description: str,
        answers: Answers,
        *,
        graph: Path,
        output: str,
        seconds: float,
        against: str | None,
        part: Part = "experiments",
        run: str | None = None,
    ) -> ExperimentRow:
        """Measure answers, and what `graph` costs that gives them.

        Args:
            output: the graph's output that is asked for when it is timed.
            against: the row to compare with, measured before; where that failed, with none.
            run: the child run it belongs to; by default one of its own.
        """
        evaluation = self.params.evaluation
        self.answers[name] = answers
        if graph not in self.latencies:
            self.latencies[graph] = median_latency(graph, output, self.data.test_images)
        before = self.answers.get(against or "")
        return ExperimentRow(
            name=name,
            title=title,
            description=description,
            part=part,
            run=run or name,
            metrics=measure_answers(answers, self.truth, evaluation),
            difference=None
            if against is None or before is None
            else Difference(
                against=against,
                metrics=paired_difference(answers, before, self.truth, evaluation),
            ),
            size_mb=size_mb(graph),
            latency_ms=self.latencies[graph],
            train_seconds=round(seconds, 1),
        )


def failed_row(
    name: str,
    title: str,
    description: str,
    reason: str,
    *,
    part: Part = "experiments",
    run: str | None = None,
) -> FailedExperiment:
    """The row of a model that could not be trained; see `Trials.row`."""
    return FailedExperiment(
        name=name,
        title=title,
        description=description,
        part=part,
        run=run or name,
        reason=reason,
    )
