"""Stage 5, ensemble: vote weights, temperature, thresholds and projection, on validation data."""

import logging
import os
from typing import TYPE_CHECKING

import numpy as np

from ml.contract.quality import ImageStatistics
from ml.journey.images import label_indices
from ml.journey.run import Run, tracker_of, write_json
from ml.journey.workspace import Workspace
from ml.training.results import EnsembleDefinition

if TYPE_CHECKING:
    from ml.training.projection import Projection

log = logging.getLogger(__name__)
_DEFINITION, _PROJECTION = "ensemble.json", "projection.npz"


def fit(workspace: Workspace, run_key: str) -> EnsembleDefinition:
    """Fit the vote on the members' validation outputs; the definition is written last."""
    from ml.training.ensemble import ValidationImages, fit_ensemble
    from ml.training.member_files import read_validation

    run = Run.open(workspace, run_key)
    frame = run.frame(workspace)
    validation = frame[frame["split"] == "validation"]
    definition, projection = fit_ensemble(
        {name: read_validation(run.member(name)) for name in run.info.members},
        ValidationImages(
            label_indices(validation, run.params.data.labels),
            validation["group"].to_numpy(),
            validation[list(ImageStatistics.model_fields)],
            run.params.data.labels,
            run.params.data.critical_label,
        ),
        run.params.ensemble,
        multiplications=_multiplications(run),
    )
    run.ensemble.mkdir(parents=True, exist_ok=True)
    partial = run.ensemble / f".{_PROJECTION}.{os.getpid()}.npz"
    np.savez(partial, mean=projection.mean, components=projection.components)
    partial.replace(run.ensemble / _PROJECTION)
    write_json(run.ensemble / _DEFINITION, definition.model_dump(mode="json"))
    tracker_of(workspace).log(
        run.info.mlflow_run_id,
        params={
            "ensemble.temperature": round(definition.temperature, 4),
            "ensemble.critical_threshold": round(definition.policy.critical_threshold, 4),
            "ensemble.answers_first": definition.adaptive.first if definition.adaptive else "all",
            **{
                f"ensemble.weight.{name}": round(weight, 4)
                for name, weight in definition.members.items()
            },
        },
    )
    return definition


def _multiplications(run: Run) -> dict[str, int] | None:
    """What one image costs each member; None where nobody asks, or older code did not say."""
    from ml.training.member_files import read_member

    if not run.params.ensemble.adaptive.enabled:
        return None
    costs = {name: read_member(run.member(name)).multiplications for name in run.info.members}
    known = {name: cost for name, cost in costs.items() if cost is not None}
    if len(known) < len(costs):
        log.warning("Members of older code do not tell their cost: all answer every image.")
        return None
    return known


def read_ensemble(run: Run) -> tuple[EnsembleDefinition, "Projection"]:
    """What `fit` left behind."""
    from ml.training.projection import Projection

    definition = EnsembleDefinition.model_validate_json((run.ensemble / _DEFINITION).read_bytes())
    with np.load(run.ensemble / _PROJECTION, allow_pickle=False) as arrays:
        return definition, Projection(mean=arrays["mean"], components=arrays["components"])
