"""The five experiments as sibling MLflow runs under one parent, with one comparison table."""

import logging
from collections.abc import Callable

from ml.contract.quality import ImageStatistics
from ml.journey.images import grids, label_indices
from ml.journey.newest import newest_dataset
from ml.journey.run import tracker_of, write_json
from ml.journey.workspace import Workspace
from ml.params import Params
from ml.training.results import ExperimentTable

log = logging.getLogger(__name__)
EXPERIMENT = "vigie-experiments"
_TABLE = "experiments.json"


def run_experiments(
    workspace: Workspace,
    params: Params,
    dataset_id: str | None = None,
    *,
    run_key: str | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> ExperimentTable:
    """Run all five on one dataset's honest split and log them to MLflow.

    Args:
        dataset_id: default the newest.
        run_key: names the parent run; default one per dataset and parameters.
    """
    from ml.data.dataset import load_dataset
    from ml.training.data import TrainingData
    from ml.training.experiments import ExperimentData
    from ml.training.experiments import run_experiments as run_all

    chosen = dataset_id or newest_dataset(workspace)
    key = run_key or f"experiments-{chosen[:12]}-{params.sha256[:8]}"
    frame = load_dataset(workspace.datasets, chosen)
    images = grids(workspace, params.image.spec, frame)
    labels = label_indices(frame, params.data.labels)
    split = frame["split"].to_numpy()
    validation = frame[split == "validation"]
    tell = on_progress or log.info
    folder = workspace.run(key)
    table = run_all(
        ExperimentData(
            training=TrainingData(
                train_images=images[split == "train"],
                train_labels=labels[split == "train"],
                validation_images=images[split == "validation"],
                validation_labels=labels[split == "validation"],
            ),
            test_images=images[split == "test"],
            test_labels=labels[split == "test"],
            validation_groups=validation["group"].to_numpy(),
            validation_statistics=validation[list(ImageStatistics.model_fields)],
        ),
        params=params,
        folder=folder,
        on_row=lambda row: tell(
            f"{row.name}: accuracy {row.accuracy:.3f}, macro-F1 {row.macro_f1:.3f}, "
            f"{row.latency_ms:.0f} ms an image"
        ),
    )
    tracker = tracker_of(workspace)
    parent = tracker.open_run(EXPERIMENT, key, name=key, tags={"vigie.dataset_id": chosen})
    for row in table.rows:
        child = tracker.open_run(EXPERIMENT, f"{key}/{row.name}", name=row.name, parent_id=parent)
        tracker.log(
            child,
            tags={"vigie.description": row.description},
            metrics={
                name: float(value)
                for name, value in row.model_dump(exclude={"name", "description"}).items()
            },
        )
        tracker.finish(child)
    write_json(folder / _TABLE, table.model_dump(mode="json"))
    tracker.client.log_artifact(parent, str(folder / _TABLE))
    tracker.finish(parent)
    return table
