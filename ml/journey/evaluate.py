"""Stage 7, evaluate: the served file, through the serving code path, on the test split."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from ml.contract.decision import choose_labels
from ml.contract.preprocessing import to_input
from ml.contract.session import ModelSession
from ml.evaluation.results import (
    EvaluationReport,
    IncumbentComparison,
    PaperComparison,
    ParityEvidence,
)
from ml.journey.images import grids, label_indices
from ml.journey.results import EvaluationSummary
from ml.journey.run import Run, tracker_of, write_json
from ml.journey.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)
_EVIDENCE, _PAPER = "evidence.json", "paper.json"
SLICES = ("site", "scanner", "sex", "age")


class Evidence(BaseModel):
    """All that the gates read from an evaluation. `incumbent` is None when there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    report: EvaluationReport
    parity: ParityEvidence
    incumbent: IncumbentComparison


def evaluate(workspace: Workspace, run_key: str) -> EvaluationSummary:
    """Measure a run's bundle on its test split, beside its float twin and the incumbent.

    `evidence.json` is written last; figures and predictions lie beside it and in MLflow.
    """
    from ml.evaluation.gates import compare_to_incumbent, no_incumbent
    from ml.evaluation.report import evaluate as measure

    run = Run.open(workspace, run_key)
    frame = run.frame(workspace)
    test = frame[frame["split"] == "test"]
    truth = label_indices(test, run.params.data.labels)
    session = ModelSession.open(run.bundle, threads=0)
    inputs = to_input(grids(workspace, session.bundle.input, test))
    probabilities = session.run_in_batches(inputs).probabilities
    policy, labels = session.bundle.policy, session.bundle.labels
    predicted = choose_labels(probabilities, labels, policy)
    report = measure(
        probabilities,
        truth,
        test["group"].to_numpy(),
        test[[name for name in SLICES if name in test]],
        label_names=labels,
        policy=policy,
        params=run.params.evaluation,
        paper=read_paper(run),
    )
    incumbent = _incumbent_labels(workspace, run, test)
    comparison = (
        no_incumbent()
        if incumbent is None
        else compare_to_incumbent(
            predicted,
            incumbent,
            truth,
            test["group"].to_numpy(),
            critical=labels.index(policy.critical_label),
            version=run.info.incumbent_version or "",
            params=run.params.evaluation,
        )
    )
    evidence = Evidence(
        report=report,
        parity=_parity(run, inputs, predicted, truth),
        incumbent=comparison,
    )
    _leave_behind(run, test, probabilities, predicted, truth, report)
    path = run.evaluation / _EVIDENCE
    write_json(path, evidence.model_dump(mode="json"))
    _log_to_mlflow(workspace, run, evidence)
    log.info(
        "Test: accuracy %.3f (%.3f to %.3f), macro-F1 %.3f on %d images of %d groups.",
        report.accuracy.estimate,
        report.accuracy.lower,
        report.accuracy.upper,
        report.macro_f1.estimate,
        report.images,
        report.groups,
    )
    return EvaluationSummary(
        run_key=run_key,
        report=report,
        report_path=str(path),
        incumbent_version=run.info.incumbent_version,
    )


def read_evidence(run: Run) -> Evidence | None:
    """What `evaluate` left behind, None if it never finished."""
    path = run.evaluation / _EVIDENCE
    return Evidence.model_validate_json(path.read_bytes()) if path.is_file() else None


def read_paper(run: Run) -> list[PaperComparison]:
    """The comparison with the random image split, empty where it was not made."""
    path = run.evaluation / _PAPER
    if not path.is_file():
        return []
    return PaperComparisons.model_validate_json(path.read_bytes()).members


class PaperComparisons(BaseModel):
    """One comparison a member."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: list[PaperComparison]


def write_paper(run: Run, members: list[PaperComparison]) -> Path:
    """Keep the comparison for the evaluation that follows."""
    path = run.evaluation / _PAPER
    write_json(path, PaperComparisons(members=members).model_dump(mode="json"))
    return path


def _incumbent_labels(
    workspace: Workspace, run: Run, test: "pd.DataFrame"
) -> npt.NDArray[np.int64] | None:
    """What the incumbent answers for the same images, through its own bundle."""
    from ml.registry.models import fetch_bundle, version_by_number

    if run.info.incumbent_version is None:
        return None
    tracker = tracker_of(workspace)
    version = version_by_number(tracker, run.info.incumbent_version)
    session = ModelSession.open(fetch_bundle(tracker, version, workspace.bundles), threads=0)
    inputs = to_input(grids(workspace, session.bundle.input, test))
    probabilities = session.run_in_batches(inputs).probabilities
    answered = choose_labels(probabilities, session.bundle.labels, session.bundle.policy)
    order = [run.params.data.labels.index(label) for label in session.bundle.labels]
    return np.array(order, np.int64)[answered]


def _parity(
    run: Run, inputs: npt.NDArray[np.float32], predicted: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]
) -> ParityEvidence:
    from ml.evaluation.gates import parity_evidence
    from ml.packaging.parity import run_graph

    bundle = ModelSession.open(run.bundle).bundle
    answers = run_graph(run.float_model, inputs, "probabilities")
    return parity_evidence(
        choose_labels(answers, bundle.labels, bundle.policy),
        predicted,
        truth,
        critical=bundle.labels.index(bundle.policy.critical_label),
    )


def _leave_behind(
    run: Run,
    test: "pd.DataFrame",
    probabilities: npt.NDArray[np.float32],
    predicted: npt.NDArray[np.int64],
    truth: npt.NDArray[np.int64],
    report: EvaluationReport,
) -> None:
    from ml.evaluation.figures import draw_figures
    from ml.evaluation.model_card import render_evaluation

    labels = run.params.data.labels
    run.evaluation.mkdir(parents=True, exist_ok=True)
    rows = test[["image_id", "label", "group"]].copy()
    rows["predicted"] = [labels[index] for index in predicted]
    for position, label in enumerate(labels):
        rows[f"p_{label}"] = probabilities[:, position]
    rows.to_parquet(run.evaluation / "predictions.parquet", index=False)
    draw_figures(run.evaluation, report, probabilities, truth)
    (run.evaluation / "evaluation.md").write_text(render_evaluation(report))


def _log_to_mlflow(workspace: Workspace, run: Run, evidence: Evidence) -> None:
    tracker = tracker_of(workspace)
    report = evidence.report
    metrics = {
        "test.images": float(report.images),
        "test.calibration_error": report.calibration_error.estimate,
        "test.refer_rate": report.refer_rate,
        "parity.flip_rate": evidence.parity.flip_rate,
    }
    for name, interval in report.headline().items():
        metrics[f"test.{name}"] = interval.estimate
        metrics[f"test.{name}.lower"] = interval.lower
        metrics[f"test.{name}.upper"] = interval.upper
    tracker.log(run.info.mlflow_run_id, metrics=metrics)
    tracker.log_folder(run.info.mlflow_run_id, run.evaluation, "evaluation")
