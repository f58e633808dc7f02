"""Stage 7, evaluate: the served file, through the serving code path, on the test split."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ml.contract.bundle import MODEL_FILE, Bundle, bundle_sha256
from ml.contract.decision import choose_labels
from ml.contract.preprocessing import to_input
from ml.contract.session import Floats, ModelOutputs, ModelSession
from ml.evaluation.gate_results import (
    AdaptiveComparison,
    GateMeasurements,
    IncumbentComparison,
    ParityEvidence,
)
from ml.evaluation.results import EvaluationReport, PaperComparison
from ml.journey.evaluation_files import leave_behind, shareable_files
from ml.journey.images import Labels, grids, label_indices
from ml.journey.incumbent import incumbent_bundle
from ml.journey.results import EvaluationSummary
from ml.journey.run import Run, tracker_of, write_json
from ml.journey.run_page import describe
from ml.journey.workspace import Workspace

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

log = logging.getLogger(__name__)
_PAPER = "paper.json"
_TIMED_IMAGES = 100


class Evidence(BaseModel):
    """All that the gates read from an evaluation of one bundle, and its report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle_sha256: str
    report: EvaluationReport
    measured: GateMeasurements
    parity: ParityEvidence
    incumbent: IncumbentComparison
    adaptive: AdaptiveComparison


class PaperComparisons(BaseModel):
    """One comparison a member."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: list[PaperComparison]


@dataclass(frozen=True, slots=True)
class Answers:
    """Calibrated probabilities for n images, and the labels that the policy makes of them."""

    probabilities: Floats
    labels: Labels
    critical: int

    @classmethod
    def of(cls, bundle: Bundle, probabilities: Floats) -> "Answers":
        """Apply the bundle's label rule."""
        return cls(
            probabilities,
            choose_labels(probabilities, bundle.labels, bundle.policy),
            bundle.labels.index(bundle.policy.critical_label),
        )


def evaluate(workspace: Workspace, run_key: str) -> EvaluationSummary:
    """Measure a run's bundle on its test split, beside its float twin and the incumbent.

    `evidence.json` is written last; figures and predictions lie beside it and in MLflow.
    """
    from ml.evaluation.gate_measurements import measure_for_gates
    from ml.evaluation.incumbent import compare_to_incumbent, no_incumbent
    from ml.evaluation.report import evaluate as measure
    from ml.evaluation.slices import slice_frame

    run = Run.open(workspace, run_key)
    frame = run.frame(workspace)
    test = frame[frame["split"] == "test"]
    groups = test["group"].to_numpy()
    session = ModelSession.open(run.bundle, threads=0)
    truth = label_indices(test, session.bundle.labels)
    inputs = to_input(grids(workspace, session.bundle.input, test))
    outputs = session.run_in_batches(inputs)
    answers = Answers.of(session.bundle, outputs.probabilities)
    report = measure(
        answers.probabilities,
        truth,
        groups,
        test,
        label_names=session.bundle.labels,
        policy=session.bundle.policy,
        params=run.params.evaluation,
        paper=read_paper(run),
    )
    names, critical_label = session.bundle.labels, session.bundle.policy.critical_label
    incumbent = _incumbent_labels(workspace, run, test)
    evidence = Evidence(
        bundle_sha256=bundle_sha256(run.bundle),
        report=report,
        measured=measure_for_gates(
            answers.probabilities,
            answers.labels,
            truth,
            groups,
            label_names=names,
            critical_label=critical_label,
        ),
        parity=_parity(run, session.bundle, inputs, answers, truth),
        incumbent=(
            no_incumbent(critical_label)
            if incumbent is None
            else compare_to_incumbent(
                answers.labels,
                incumbent,
                truth,
                groups,
                slice_frame(test),
                label_names=names,
                critical_label=critical_label,
                version=run.info.incumbent_version or "",
            )
        ),
        adaptive=_adaptive(run, session.bundle, inputs, outputs, truth, groups),
    )
    leave_behind(workspace, run, session.bundle, test, outputs, truth, report)
    path = run.evidence
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
        headline=report.headline(),
        images=report.images,
        groups=report.groups,
        calibration_error=report.calibration_error.estimate,
        refer_rate=report.refer_rate,
        paper=report.paper,
        report_path=str(path),
        incumbent_version=run.info.incumbent_version,
    )


def read_evidence(run: Run) -> Evidence | None:
    """What `evaluate` left behind, None if it never finished, or was another release's."""
    path = run.evidence
    if not path.is_file():
        return None
    try:
        return Evidence.model_validate_json(path.read_bytes())
    except ValidationError:
        log.warning("The evaluation of run %s was written by other code.", run.info.run_key)
        return None


def read_paper(run: Run) -> list[PaperComparison]:
    """The comparison with the random image split, empty where it was not made."""
    path = run.evaluation / _PAPER
    if not path.is_file():
        return []
    return PaperComparisons.model_validate_json(path.read_bytes()).members


def write_paper(run: Run, members: list[PaperComparison]) -> Path:
    """Keep the comparison for the evaluation that follows."""
    path = run.evaluation / _PAPER
    write_json(path, PaperComparisons(members=members).model_dump(mode="json"))
    return path


def _incumbent_labels(workspace: Workspace, run: Run, test: "pd.DataFrame") -> Labels | None:
    """What the incumbent answers for the same images, through its own bundle."""
    bundle = incumbent_bundle(workspace, run)
    if bundle is None:
        return None
    session = ModelSession.open(bundle, threads=0)
    inputs = to_input(grids(workspace, session.bundle.input, test))
    answers = Answers.of(session.bundle, session.run_in_batches(inputs).probabilities)
    order = [run.params.data.labels.index(label) for label in session.bundle.labels]
    return np.array(order, np.int64)[answers.labels]


def _parity(
    run: Run, bundle: Bundle, inputs: Floats, served: "Answers", truth: Labels
) -> ParityEvidence:
    """The served answers against those of the same ensemble in floats."""
    from ml.evaluation.parity import parity_evidence
    from ml.packaging.graph import open_graph, run_graph

    original = run_graph(open_graph(run.float_model), inputs, ["probabilities"])
    return parity_evidence(
        Answers.of(bundle, original["probabilities"]).labels,
        served.labels,
        truth,
        critical=served.critical,
    )


def _adaptive(
    run: Run,
    bundle: Bundle,
    inputs: Floats,
    outputs: ModelOutputs,
    truth: Labels,
    groups: "npt.NDArray[np.generic]",
) -> AdaptiveComparison:
    """The served answers and their cost against those of all members, where one may stop early."""
    from ml.evaluation.adaptive import compare_to_whole, not_adaptive
    from ml.packaging.cost import mean_cpu_ms
    from ml.packaging.graph import open_graph, run_graph

    if bundle.adaptive is None:
        return not_adaptive(bundle.policy.critical_label)
    whole = run_graph(open_graph(run.whole_model), inputs, ["probabilities"])["probabilities"]
    timed = np.random.default_rng(0).permutation(len(inputs))[:_TIMED_IMAGES]
    cost = mean_cpu_ms(
        {"adaptive": run.bundle / MODEL_FILE, "whole": run.whole_model}, inputs[timed]
    )
    return compare_to_whole(
        outputs.probabilities,
        whole,
        truth,
        groups,
        outputs.stopped_early > 0,
        first=bundle.adaptive.first,
        label_names=bundle.labels,
        policy=bundle.policy,
        cpu_ms=cost["adaptive"],
        whole_cpu_ms=cost["whole"],
    )


def _log_to_mlflow(workspace: Workspace, run: Run, evidence: Evidence) -> None:
    tracker = tracker_of(workspace)
    report = evidence.report
    metrics = {
        "test.images": float(report.images),
        "test.calibration_error": report.calibration_error.estimate,
        "test.refer_rate": report.refer_rate,
        "parity.flip_rate": evidence.parity.flip_rate,
    }
    metrics["test.risk_area"] = report.selective.area
    if report.conformal:
        metrics["test.conformal_coverage"] = report.conformal.coverage.estimate
        metrics["test.mean_set_size"] = report.conformal.mean_set_size
    if evidence.adaptive.cpu_ms is not None and evidence.adaptive.whole_cpu_ms is not None:
        metrics["adaptive.stopped"] = evidence.adaptive.stopped
        metrics["adaptive.changed"] = evidence.adaptive.changed
        metrics["adaptive.cpu_ms"] = evidence.adaptive.cpu_ms
        metrics["adaptive.whole_cpu_ms"] = evidence.adaptive.whole_cpu_ms
    for name, interval in report.headline().items():
        metrics[f"test.{name}"] = interval.estimate
        metrics[f"test.{name}.lower"] = interval.lower
        metrics[f"test.{name}.upper"] = interval.upper
    tracker.log(run.info.mlflow_run_id, metrics=metrics)
    tracker.log_files(run.info.mlflow_run_id, shareable_files(run), "evaluation")
    describe(workspace, run, report)
