"""Beside stages 4 to 7: how good the recipe is, from pooled out-of-fold answers of grouped k-fold.

For data of which one test split is too small to decide. It measures the recipe, not a model: no
gate reads it.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from ml.contract.quality import ImageStatistics
from ml.evaluation.experiment_table import ExperimentMetrics
from ml.evaluation.results import EvaluationReport
from ml.journey.images import grids, label_indices
from ml.journey.newest import newest_dataset
from ml.journey.review import list_suspects
from ml.journey.run import git_commit, tracker_of, write_json
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    import pandas as pd

    from ml.training.crossvalidation import CrossvalidationData, OutOfFold

log = logging.getLogger(__name__)
EXPERIMENT = "vigie-crossvalidation"
Split = Literal["honest", "paper"]


class PooledMetrics(BaseModel):
    """Pooled over all folds: the vote by highest probability and each member alone; `report` is the
    vote under each fold's own policy; `weights` are the members' mean votes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Split
    folds: int
    vote: ExperimentMetrics
    report: EvaluationReport
    members: dict[str, ExperimentMetrics]
    weights: dict[str, float]


class Crossvalidation(BaseModel):
    """The recipe on one dataset: `honest` keeps groups together, `paper` splits single images.

    `label_suspects`: labels that the honest answers speak against; they are on the review list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_key: str
    dataset_id: str
    images: int
    groups: int
    critical_label: str
    confidence: float
    honest: PooledMetrics
    paper: PooledMetrics | None
    label_suspects: int = 0


def crossvalidate(
    workspace: Workspace,
    params: Params,
    dataset_id: str | None = None,
    *,
    folds: int = 5,
    paper: bool = True,
    processes: int = 1,
    on_progress: Callable[[str], None] | None = None,
) -> Crossvalidation:
    """Answer every image of a dataset by a vote that never saw its group, and measure that.

    Splits that a dataset froze play no part: this is for judging a recipe, whose models are thrown
    away. What is finished is not trained again. Logged to MLflow with its JSON. Labels that the
    honest answers speak against are put on the review list.

    Args:
        dataset_id: default the newest.
        paper: answer all images once more with folds of single images, as papers do.
        processes: members trained side by side.

    Raises:
        TrainingFailed: a class is in too few groups for so many folds.
    """
    from ml.data.dataset import load_dataset
    from ml.training.crossvalidation import CrossvalidationData

    chosen = dataset_id or newest_dataset(workspace)
    key = f"crossvalidation-{chosen[:12]}-{params.sha256[:8]}-{folds}"
    frame = load_dataset(workspace.datasets, chosen)
    labels = label_indices(frame, params.data.labels)
    groups = frame["group"].to_numpy()
    data = CrossvalidationData(
        images=Path(str(grids(workspace, params.image.spec, frame).filename)),
        labels=labels,
        groups=groups,
        statistics=frame[list(ImageStatistics.model_fields)].reset_index(drop=True),
    )

    suspects = 0

    def pool(split: Split) -> PooledMetrics:
        nonlocal suspects
        # Every image is its own group on a paper's split, in training as in its intervals.
        units = groups if split == "honest" else np.arange(len(labels))
        answered = _answer(workspace, params, data, key, split, units, folds, processes, tell)
        if split == "honest":
            suspects = list_suspects(
                workspace, params, frame, labels, answered.probabilities, source=key
            )
        return _measure(answered, labels, units, frame, params, split)

    tell = on_progress or log.info
    tracker = tracker_of(workspace)
    run_id = tracker.open_run(EXPERIMENT, key, name=key, tags={"vigie.dataset_id": chosen})
    honest = pool("honest")
    result = Crossvalidation(
        run_key=key,
        dataset_id=chosen,
        images=len(labels),
        groups=len(np.unique(groups)),
        critical_label=params.data.critical_label,
        confidence=params.evaluation.confidence,
        honest=honest,
        paper=pool("paper") if paper else None,
        label_suspects=suspects,
    )
    write_json(workspace.run(key) / "crossvalidation.json", result.model_dump(mode="json"))
    tracker.log(
        run_id,
        params={"dataset_id": chosen, "folds": folds, "git_commit": git_commit()},
        metrics=_flat(result),
    )
    tracker.client.log_artifact(run_id, str(workspace.run(key) / "crossvalidation.json"))
    tracker.finish(run_id)
    return result


def _answer(
    workspace: Workspace,
    params: Params,
    data: "CrossvalidationData",
    key: str,
    split: Split,
    units: np.ndarray,
    folds: int,
    processes: int,
    tell: Callable[[str], None],
) -> "OutOfFold":
    from ml.training.crossvalidation import cross_validate, grouped_folds

    splits = grouped_folds(data.labels, units, folds=folds, seed=params.data.seed)
    jobs = folds * len(params.training.members)
    ready: list[str] = []

    def tell_member(fold: int, name: str, accuracy: float, seconds: float) -> None:
        ready.append(name)
        tell(
            f"{split} split, fold {fold + 1} of {folds}, {name}: validation accuracy "
            f"{accuracy:.3f}, {seconds:.0f} s ({len(ready)} of {jobs} trained)"
        )

    return cross_validate(
        data,
        splits,
        params=params,
        folder=workspace.run(key) / split,
        processes=processes,
        feature_cache=workspace.features,
        on_trained=lambda fold, member: tell_member(
            fold, member.member, member.validation.accuracy, member.seconds
        ),
    )


def _measure(
    answered: "OutOfFold",
    labels: np.ndarray,
    units: np.ndarray,
    frame: "pd.DataFrame",
    params: Params,
    split: Split,
) -> PooledMetrics:
    from ml.evaluation.experiment_metrics import Answers, Truth, measure_answers
    from ml.evaluation.report import evaluate

    names = params.data.labels
    truth = Truth(labels, units, names.index(params.data.critical_label), len(names))
    weights: Mapping[str, float] = dict(
        zip(params.training.members, answered.weights.mean(axis=0).tolist(), strict=True)
    )
    return PooledMetrics(
        split=split,
        folds=len(answered.weights),
        vote=measure_answers(
            Answers.of_probabilities(answered.probabilities), truth, params.evaluation
        ),
        report=evaluate(
            answered.probabilities,
            labels,
            units,
            frame,
            label_names=names,
            policy=answered.policies,
            folds=answered.fold,
            params=params.evaluation,
        ),
        members={
            name: measure_answers(Answers.of_probabilities(probabilities), truth, params.evaluation)
            for name, probabilities in answered.members.items()
        },
        weights=dict(weights),
    )


def _flat(result: Crossvalidation) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for pooled in (result.honest, result.paper):
        if pooled is None:
            continue
        for name, interval in pooled.vote.intervals().items():
            metrics |= {
                f"{pooled.split}.{name}": interval.estimate,
                f"{pooled.split}.{name}_lower": interval.lower,
                f"{pooled.split}.{name}_upper": interval.upper,
            }
    return metrics
