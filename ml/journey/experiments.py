"""The five experiments as sibling MLflow runs under one parent, with one comparison."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ml.contract.quality import ImageStatistics
from ml.evaluation.experiment_table import ExperimentRow, ExperimentTable, Row
from ml.journey.images import grids, label_indices
from ml.journey.newest import newest_dataset
from ml.journey.run import git_commit, tracker_of, write_json
from ml.journey.train import curves, epoch_teller
from ml.journey.workspace import Workspace
from ml.params import Params
from ml.training.results import MemberResult

if TYPE_CHECKING:
    from ml.registry.tracking import Tracker
    from ml.training.trials import ExperimentData

log = logging.getLogger(__name__)
EXPERIMENT = "vigie-experiments"


def run_experiments(
    workspace: Workspace,
    params: Params,
    dataset_id: str | None = None,
    *,
    run_key: str | None = None,
    on_start: Callable[[str], None] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> ExperimentTable:
    """Run all five and the ablation on one dataset's honest split and log them to MLflow.

    A model that cannot be trained is a row that says why, and a child run that failed.

    Leaves `comparison/` in the run's folder and at the parent run: `experiments.json`, the same
    as a Markdown page, and a figure.

    Args:
        dataset_id: default the newest.
        run_key: names the parent run; default one per dataset and parameters, so that the same
            command continues where it was interrupted.
        on_start: called with the address of the parent MLflow run.
        on_progress: called with a readable line after each epoch and each row.
    """
    from ml.training.experiments import run_experiments as run_all

    chosen = dataset_id or newest_dataset(workspace)
    key = run_key or f"experiments-{chosen[:12]}-{params.sha256[:8]}"
    tell = on_progress or log.info
    tracker = tracker_of(workspace)
    parent = tracker.open_run(EXPERIMENT, key, name=key, tags={"vigie.dataset_id": chosen})
    tracker.log(parent, params=_settings(params, chosen))
    if on_start is not None:
        on_start(tracker.run_url(parent))

    def on_row(row: Row, members: Mapping[str, MemberResult]) -> None:
        tell(_sentence(row))
        _log_row(tracker, key, parent, row, members)

    try:
        table = run_all(
            _experiment_data(workspace, params, chosen),
            dataset_id=chosen,
            params=params,
            folder=workspace.run(key),
            feature_cache=workspace.features,
            tell_epochs=lambda title, training: epoch_teller(title, training, tell),
            on_row=on_row,
        )
    except BaseException:
        tracker.finish(parent, "FAILED")
        raise
    folder = _write_comparison(workspace.run(key) / "comparison", table)
    tracker.log_folder(parent, folder, folder.name)
    tracker.finish(parent)
    tell(f"Comparison: {folder} {tracker.run_url(parent)}")
    return table


def _experiment_data(workspace: Workspace, params: Params, dataset_id: str) -> "ExperimentData":
    from ml.data.dataset import load_dataset
    from ml.training.data import ImageRows, TrainingData
    from ml.training.trials import ExperimentData

    frame = load_dataset(workspace.datasets, dataset_id)
    images = grids(workspace, params.image.spec, frame)
    labels = label_indices(frame, params.data.labels)
    split = frame["split"].to_numpy()
    validation, test = frame[split == "validation"], frame[split == "test"]
    return ExperimentData(
        training=TrainingData.of_split(images, labels, split),
        validation_groups=validation["group"].to_numpy(),
        validation_statistics=validation[list(ImageStatistics.model_fields)],
        test_images=ImageRows(images, np.flatnonzero(split == "test")),
        test_labels=labels[split == "test"],
        test_groups=test["group"].to_numpy(),
    )


def _settings(params: Params, dataset_id: str) -> dict[str, object]:
    return {
        "dataset_id": dataset_id,
        "profile": params.profile,
        "params_sha256": params.sha256,
        "git_commit": git_commit(),
        "image.size": params.image.size,
        **{f"training.{key}": value for key, value in params.training},
        **{f"experiments.{key}": value for key, value in params.experiments},
    }


def _sentence(row: Row) -> str:
    if not isinstance(row, ExperimentRow):
        return f"{row.title} failed: {row.reason}"
    accuracy, macro_f1 = row.metrics.accuracy, row.metrics.macro_f1
    return (
        f"{row.title}: accuracy {accuracy.estimate:.3f} "
        f"({accuracy.lower:.3f}–{accuracy.upper:.3f}), "
        f"macro-F1 {macro_f1.estimate:.3f} ({macro_f1.lower:.3f}–{macro_f1.upper:.3f}), "
        f"{row.latency_ms:.1f} ms an image"
    )


def _log_row(
    tracker: "Tracker",
    key: str,
    parent: str,
    row: Row,
    members: Mapping[str, MemberResult],
) -> None:
    run = tracker.open_run(EXPERIMENT, f"{key}/{row.run}", name=row.run, parent_id=parent)
    # A row that shares the run of another has its metrics under its own name.
    prefix = "" if row.name == row.run else f"{row.name}."
    tags = {f"vigie.{prefix}description": row.description, "vigie.part": row.part}
    tracker.log(run, tags=tags)
    if not prefix:  # on a repeat it replaces what a failure left here
        tracker.describe_run(run, f"{_sentence(row)}\n\n{row.description}")
    if not isinstance(row, ExperimentRow):
        tracker.finish(run, "FAILED")
        return
    metrics = {
        f"{prefix}{name}": getattr(row, name) for name in ("latency_ms", "size_mb", "train_seconds")
    }
    for name, interval in row.metrics.intervals().items():
        metrics |= {
            f"{prefix}{name}": interval.estimate,
            f"{prefix}{name}_lower": interval.lower,
            f"{prefix}{name}_upper": interval.upper,
        }
    tracker.log(run, metrics=metrics)
    for member, result in members.items():
        history = {f"{member}.{name}": values for name, values in curves(result).items()}
        tracker.log_history(run, history)
    tracker.finish(run)


def _write_comparison(folder: Path, table: ExperimentTable) -> Path:
    from ml.evaluation.experiment_figure import draw_experiments
    from ml.evaluation.experiment_page import experiments_markdown

    write_json(folder / "experiments.json", table.model_dump(mode="json"))
    (folder / "experiments.md").write_text(experiments_markdown(table))
    draw_experiments(table, folder / "experiments.png")
    return folder
