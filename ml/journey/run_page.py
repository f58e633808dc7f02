"""What a person reads first on the pages of a run and of its version in MLflow."""

from ml.evaluation.gate_results import GateDecision
from ml.evaluation.results import EvaluationReport
from ml.journey.run import Run, tracker_of
from ml.journey.workspace import Workspace
from ml.registry.results import RegisteredVersion


def describe(
    workspace: Workspace,
    run: Run,
    test: EvaluationReport | None,
    decision: GateDecision | None = None,
    version: RegisteredVersion | None = None,
) -> None:
    """Say at the head of the run's page, and of the version's where there is one, what came of it.

    Raises:
        Unavailable: MLflow does not answer.
    """
    from ml.evaluation.release_card import render_summary
    from ml.registry.models import describe_version

    lead = (
        f"{', '.join(run.info.members)} on dataset `{run.info.dataset_id}`, trained because: "
        f"{run.info.reason}. Artifacts: `evaluation/evaluation.html` holds all tables and figures, "
        "`model_card.html` the whole story once the gates have decided. Not for clinical use."
    )
    words = render_summary(test, decision, lead)
    tracker = tracker_of(workspace)
    tracker.describe_run(run.info.mlflow_run_id, words)
    if version is not None:
        describe_version(tracker, version.version, words)
