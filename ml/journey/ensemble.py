"""Stage 5, ensemble: vote weights, temperature, thresholds and projection, on validation data."""

import logging
import os
from typing import TYPE_CHECKING

import numpy as np

from ml.contract.quality import STATISTIC_NAMES
from ml.journey.images import label_indices
from ml.journey.run import Run, tracker_of, write_json
from ml.journey.workspace import Workspace
from ml.training.results import EnsembleDefinition

if TYPE_CHECKING:
    from ml.training.ensemble import MemberValidation, Projection

log = logging.getLogger(__name__)
_DEFINITION, _PROJECTION = "ensemble.json", "projection.npz"


def fit(workspace: Workspace, run_key: str) -> EnsembleDefinition:
    """Fit the vote on the members' validation outputs; the definition is written last."""
    from ml.training.ensemble import fit_ensemble

    run = Run.open(workspace, run_key)
    frame = run.frame(workspace)
    validation = frame[frame["split"] == "validation"]
    definition, projection = fit_ensemble(
        {name: _validation_outputs(run, name) for name in run.info.members},
        label_indices(validation, run.params.data.labels),
        validation["group"].to_numpy(),
        validation[list(STATISTIC_NAMES)],
        label_names=run.params.data.labels,
        critical_label=run.params.data.critical_label,
        params=run.params.ensemble,
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
            **{
                f"ensemble.weight.{name}": round(weight, 4)
                for name, weight in definition.members.items()
            },
        },
    )
    log.info(
        "Vote: %s; temperature %.2f; %s threshold %.3f.",
        ", ".join(f"{name} {weight:.2f}" for name, weight in definition.members.items()),
        definition.temperature,
        definition.policy.critical_label,
        definition.policy.critical_threshold,
    )
    return definition


def read_ensemble(run: Run) -> tuple[EnsembleDefinition, "Projection"]:
    """What `fit` left behind."""
    from ml.training.ensemble import Projection

    definition = EnsembleDefinition.model_validate_json((run.ensemble / _DEFINITION).read_bytes())
    with np.load(run.ensemble / _PROJECTION, allow_pickle=False) as arrays:
        return definition, Projection(mean=arrays["mean"], components=arrays["components"])


def _validation_outputs(run: Run, name: str) -> "MemberValidation":
    from ml.training.ensemble import MemberValidation

    with np.load(run.member(name) / "validation.npz", allow_pickle=False) as outputs:
        return MemberValidation(logits=outputs["logits"], features=outputs["features"])
