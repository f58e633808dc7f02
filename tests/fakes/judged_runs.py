"""Runs whose stages up to the gates are done, registered in a real registry and ledger.

Their networks are formulas and their test images drawn numbers; evaluation, gates, cards and
registration are the real ones.
"""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from ml.contract.bundle import bundle_sha256, open_bundle
from ml.contract.decision import choose_labels
from ml.data.results import DatasetInfo, LeakReport
from ml.evaluation.adaptive import not_adaptive
from ml.evaluation.decision_page import render_decision
from ml.evaluation.figures import draw_figures
from ml.evaluation.gate_results import IncumbentComparison, ParityEvidence, SplitWear
from ml.evaluation.gates import decide
from ml.evaluation.html_page import render_html
from ml.evaluation.incumbent import no_incumbent
from ml.evaluation.learning_curves import LearningCurves, draw_learning_curves
from ml.evaluation.model_card import CardFacts, MemberFacts
from ml.evaluation.report_sections import report_sections
from ml.evaluation.results import EvaluationReport
from ml.journey.evaluate import Evidence
from ml.journey.promote import register
from ml.journey.results import RunInfo
from ml.journey.run import EXPERIMENT, Run, tracker_of, write_json
from ml.journey.workspace import Workspace
from ml.packaging.results import Blessing, RollbackDrill
from ml.params import Params, load_params
from ml.registry.results import RegisteredVersion
from ml.settings import PROJECT_ROOT
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.unit.evaluation.conftest import (
    LABELS,
    POLICY,
    Cohort,
    comparison_of,
    make_cohort,
    measurements_of,
    report_of,
)

DATASET = "d" * 64
_LEAK = LeakReport(
    exact_copies=0, near_duplicate_pairs=3, cross_split_groups=0, conflicting_groups=0
)
_BLESSING = Blessing(
    passed=True,
    load_seconds=2.1,
    p99_ms=28.0,
    rss_mb=237.0,
    max_difference=1e-6,
    hostile={"no image": 400},
    rollback=RollbackDrill(version="1", back_seconds=4.2, forth_seconds=3.9, failures=[]),
    failures=[],
)


def judged_run(
    workspace: Workspace,
    key: str,
    *,
    incumbent: RegisteredVersion | None = None,
    flip_rate: float = 0.0,
    started_by: str = "airflow:ada",
    reason: str = "weekly",
    dataset_id: str | None = None,
    label_bias: Mapping[str, float] | None = None,
    **gates: object,
) -> RegisteredVersion:
    """A run that compared with `incumbent`, judged by gates with these parameters, registered.

    Args:
        flip_rate: share of answers that differ from the float model's; above 0.01 is refused.
        dataset_id: a frozen dataset that it names as its own; by default one without images.
        label_bias: see `write_tiny_bundle`.
    """
    dataset_id = dataset_id or _dataset(workspace)
    params, cohort = _params(), _cohort()
    params = params.model_copy(update={"gates": params.gates.model_copy(update=gates)})
    tracker = tracker_of(workspace)
    info = RunInfo(
        run_key=key,
        dataset_id=dataset_id,
        members=["cnn"],
        initialisation="random",
        reason=reason,
        started_by=started_by,
        git_commit="c" * 40,
        started_at=datetime(2026, 5, 4, 9, 30, tzinfo=UTC),
        incumbent_version=incumbent.version if incumbent else None,
        incumbent_run_key=incumbent.run_key if incumbent else None,
        mlflow_run_id=tracker.open_run(EXPERIMENT, key, name=key),
        mlflow_url="",
    )
    run = Run(workspace.run(key), info, params)
    run.folder.mkdir(parents=True)
    run.save()
    write_tiny_bundle(
        run.bundle,
        run_key=key,
        dataset_id=dataset_id,
        label_bias=label_bias,
        reference_images=1,
    )
    evidence = Evidence(
        bundle_sha256=bundle_sha256(run.bundle),
        report=_report(),
        measured=measurements_of(cohort),
        parity=ParityEvidence(flip_rate=flip_rate, critical_sensitivity_loss=0.0, n=2700),
        incumbent=_comparison(incumbent, cohort),
        adaptive=not_adaptive("malignant"),
    )
    blessing = _BLESSING.model_copy(update={"bundle_sha256": evidence.bundle_sha256})
    decision = decide(
        measured=evidence.measured,
        parity=evidence.parity,
        blessing=blessing,
        leak=_LEAK,
        incumbent=evidence.incumbent,
        adaptive=evidence.adaptive,
        wear=SplitWear(test_split="0" * 64, use=1, earlier=[]),
        params=params.gates,
        bundle_sha256=evidence.bundle_sha256,
    )
    shutil.copytree(_drawn(), run.evaluation)
    write_json(run.evaluation / "evidence.json", evidence.model_dump(mode="json"))
    write_json(run.blessing, blessing.model_dump(mode="json"))
    write_json(run.decision, decision.model_dump(mode="json"))
    write_json(run.folder / "card.json", _card(run).model_dump(mode="json"))
    run.decision_page.write_text(render_decision(decision))
    return register(workspace, key)


def _comparison(incumbent: RegisteredVersion | None, cohort: Cohort) -> IncumbentComparison:
    if incumbent is None:
        return no_incumbent("malignant")
    answers = choose_labels(cohort.probabilities, LABELS, POLICY)
    compared = comparison_of(answers, answers, cohort)
    return compared.model_copy(update={"incumbent": incumbent.version})


def _dataset(workspace: Workspace) -> str:
    folder = workspace.datasets / DATASET
    if folder.exists():
        return DATASET
    info = DatasetInfo(
        dataset_id=DATASET,
        images=4000,
        groups=1300,
        per_class={"normal": 1200, "benign": 2200, "malignant": 600},
        per_split={"test": {"normal": 810, "benign": 1485, "malignant": 405}},
        leak=_LEAK,
        card="card.md",
    )
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(info.model_dump(mode="json")))
    (folder / "card.md").write_text("# Dataset\n")
    return DATASET


def _card(run: Run) -> CardFacts:
    bundle = open_bundle(run.bundle)
    return CardFacts(
        name=bundle.name,
        run_key=bundle.run_key,
        created_at=bundle.created_at,
        git_commit=run.info.git_commit,
        trained_because=run.info.reason,
        labels=bundle.labels,
        dataset_id=run.info.dataset_id,
        images=4000,
        groups=1300,
        per_split={"test": {"normal": 810, "benign": 1485, "malignant": 405}},
        per_site={"north": 3800, "south": 200},
        per_scanner={"alpha": 2000, "beta": 2000},
        members=[
            MemberFacts(
                name="cnn",
                architecture="cnn",
                weight=1.0,
                precision="int8",
                flip_rate=0.0,
                epochs=12,
                validation_accuracy=0.97,
                validation_macro_f1=0.96,
                initialisation="random",
                initial_weights_sha256=None,
                weights_sha256="e" * 64,
            )
        ],
        input=bundle.input,
        temperature=bundle.temperature,
        policy=bundle.policy,
        quantization=bundle.quantization,
        validation=None,
    )


@cache
def _params() -> Params:
    return load_params(PROJECT_ROOT / "params.toml", profile="standard")


@cache
def _cohort() -> Cohort:
    return make_cohort(images=2700, clarity=5.0)


@cache
def _report() -> EvaluationReport:
    return report_of(_cohort(), _params())


@cache
def _drawn() -> Path:
    """The figures and the page of an evaluation, drawn once."""
    folder = Path(mkdtemp(prefix="vigie-figures-"))
    cohort, report = _cohort(), _report()
    draw_figures(folder, report, cohort.probabilities, cohort.truth, POLICY)
    curves = LearningCurves(
        loss=[1.0, 0.5, 0.3],
        validation_loss=[1.0, 0.6, 0.4],
        validation_accuracy=[0.6, 0.8, 0.9],
        best_epoch=3,
        head_epochs=1,
    )
    draw_learning_curves({"cnn": curves}, folder / "learning_curves.png")
    words = "\n\n".join(["# Evaluation", *report_sections(report, figures=True)])
    (folder / "evaluation.html").write_text(render_html("Evaluation", words, folder))
    return folder
