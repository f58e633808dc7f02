"""A small cohort, and evidence that passes every gate, for tests to spoil one piece of."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.contract.decision import DecisionPolicy, choose_labels
from ml.evaluation.adaptive import not_adaptive
from ml.evaluation.gate_measurements import measure_for_gates
from ml.evaluation.gate_results import (
    GateMeasurements,
    IncumbentComparison,
    ParityEvidence,
    SplitWear,
)
from ml.evaluation.incumbent import compare_to_incumbent
from ml.evaluation.report import evaluate
from ml.evaluation.results import EvaluationReport, Interval
from ml.evaluation.slices import slice_frame
from ml.params import Params, load_params

LABELS = ["normal", "benign", "malignant"]
POLICY = DecisionPolicy(
    critical_label="malignant",
    critical_threshold=0.4,
    refer_below=0.6,
    refer_margin=0.05,
    outlier_distance=3.0,
    conformal_error=0.1,
    conformal_quantiles={"normal": 0.3, "benign": 0.25},
)


@dataclass(frozen=True)
class Audit:
    cross_split_groups: int = 0
    exact_copies: int = 0
    conflicting_groups: int = 0


@dataclass(frozen=True)
class Replay:
    passed: bool = True
    failures: list[str] = field(default_factory=list)
    load_seconds: float = 3.0
    p99_ms: float = 200.0
    rss_mb: float = 400.0
    rollback_seconds: float | None = 5.0


@dataclass(frozen=True)
class Cohort:
    probabilities: np.ndarray
    truth: np.ndarray
    groups: np.ndarray
    rows: pd.DataFrame


def make_cohort(images: int = 330, clarity: float = 4.0, seed: int = 0) -> Cohort:
    """Patients of three images; `clarity` is how far the true label's logit stands out."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(images // 3 + 1), 3)[:images]
    truth = rng.choice(3, groups.max() + 1, p=[0.3, 0.55, 0.15])[groups]
    logits = rng.normal(size=(images, 3))
    logits[np.arange(images), truth] += clarity
    scores = np.exp(1.5 * logits)
    rows = pd.DataFrame(
        {
            "site": rng.choice(["north", "south"], images, p=[0.95, 0.05]),
            "scanner": rng.choice(["alpha", "beta", None], images),
            "sex": "F",
            "age": rng.integers(20, 90, images),
        }
    )
    return Cohort(scores / scores.sum(axis=1, keepdims=True), truth, groups.astype(str), rows)


def report_of(cohort: Cohort, params: Params) -> EvaluationReport:
    return evaluate(
        cohort.probabilities,
        cohort.truth,
        cohort.groups,
        cohort.rows,
        label_names=LABELS,
        policy=POLICY,
        params=params.evaluation.model_copy(update={"bootstrap_rounds": 200}),
    )


def measurements_of(cohort: Cohort) -> GateMeasurements:
    return measure_for_gates(
        cohort.probabilities,
        choose_labels(cohort.probabilities, LABELS, POLICY),
        cohort.truth,
        cohort.groups,
        label_names=LABELS,
        critical_label="malignant",
    )


def comparison_of(
    challenger: np.ndarray, incumbent: np.ndarray, cohort: Cohort
) -> IncumbentComparison:
    return compare_to_incumbent(
        challenger,
        incumbent,
        cohort.truth,
        cohort.groups,
        slice_frame(cohort.rows),
        label_names=LABELS,
        critical_label="malignant",
        version="3",
    )


def interval(estimate: float, lower: float, upper: float, n: int = 330) -> Interval:
    return Interval(estimate=estimate, lower=lower, upper=upper, n=n)


@pytest.fixture(scope="session")
def params() -> Params:
    return load_params(Path(__file__).parents[3] / "params.toml", profile="standard")


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    return make_cohort()


@pytest.fixture(scope="session")
def report(cohort: Cohort, params: Params) -> EvaluationReport:
    return report_of(cohort, params)


@pytest.fixture(scope="session")
def large_cohort() -> Cohort:
    """Enough patients for every gate to judge."""
    return make_cohort(images=2700, clarity=5.0)


@pytest.fixture(scope="session")
def measured(large_cohort: Cohort) -> GateMeasurements:
    return measurements_of(large_cohort)


@pytest.fixture(scope="session")
def comparison(large_cohort: Cohort) -> IncumbentComparison:
    """With an incumbent that gives the same answers."""
    answers = choose_labels(large_cohort.probabilities, LABELS, POLICY)
    return comparison_of(answers, answers, large_cohort)


@pytest.fixture
def evidence(measured: GateMeasurements, comparison: IncumbentComparison) -> dict[str, object]:
    """Arguments of `decide` with which every gate passes."""
    large = [part for part in comparison.slices if part.accuracy.n >= 300]
    return {
        "measured": measured,
        "parity": ParityEvidence(flip_rate=0.0, critical_sensitivity_loss=0.0, n=2700),
        "blessing": Replay(),
        "leak": Audit(),
        "incumbent": comparison.model_copy(update={"slices": large}),
        "adaptive": not_adaptive("malignant"),
        "wear": SplitWear(test_split="0" * 64, use=1, earlier=[]),
    }
