"""Windows of made-up predictions, alike or shifted, and the reference they are held against."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from ml.contract.decision import DecisionPolicy
from ml.monitoring.drift import measure_drift
from ml.monitoring.observe import Observation, observe
from ml.monitoring.reference import Reference
from ml.monitoring.results import (
    DriftResult,
    EstimatedPerformance,
    LatePerformance,
    MeasuredPerformance,
    PerformanceResult,
    ReferenceFacts,
    WatchReport,
    WindowFacts,
)
from ml.monitoring.windows import with_derived
from ml.params import MonitoringParams, load_params
from ml.settings import PROJECT_ROOT
from ml.store.prediction_columns import Repeats
from tests.fakes.one_member import bundle_of_one_member

LABELS = ["normal", "benign", "malignant"]
START = datetime(2026, 11, 9, tzinfo=UTC)
END = START + timedelta(days=7)
COMPONENTS = 8
MIX = (0.5, 0.3, 0.2)

POLICY = DecisionPolicy(
    critical_label="malignant",
    critical_threshold=0.5,
    refer_below=0.5,
    refer_margin=0.02,
    outlier_distance=6.0,
    quality_bounds={"mean": (30.0, 150.0)},
)
BUNDLE = bundle_of_one_member("cnn", 32, LABELS, POLICY, dataset_id="d" * 64)


def make_images(
    n: int,
    *,
    seed: int,
    gain: float = 1.0,
    mix: tuple[float, ...] = MIX,
    sites: dict[str, float] | None = None,
    sharpness: float = 2.0,
    per_patient: int = 1,
) -> pd.DataFrame:
    """Images with normally distributed looks and calibrated probabilities, before derived columns.

    `gain` brightens all of them; `mix` are the shares of true labels; of `per_patient` images each
    has her looks and her label; `sharpness` is that of the probabilities.
    """
    rng = np.random.default_rng(seed)
    patients = -(-n // per_patient)
    patient = np.repeat(np.arange(patients), per_patient)[:n]

    def normal(mean: float, deviation: float) -> np.ndarray:
        own, shared = rng.normal(size=n), rng.normal(size=patients)[patient]
        alike = 0.8 if per_patient > 1 else 0.0
        return mean + deviation * (np.sqrt(alike) * shared + np.sqrt(1 - alike) * own)

    truth = rng.choice(3, size=patients, p=mix)[patient]
    evidence = rng.normal(size=(n, 3)) + sharpness * np.eye(3)[truth]
    # Bayes' rule, so that under the usual mix a probability is what it says.
    likelihood = np.exp(sharpness * evidence) * np.array(MIX)
    scores = likelihood / likelihood.sum(axis=1, keepdims=True)
    answers = scores.argmax(axis=1)
    mean, std = gain * normal(90, 12), gain * normal(38, 4)
    names = sites or {"north": 0.5, "south": 0.3, "harbour": 0.2}
    site = rng.choice(list(names), size=patients, p=list(names.values()))[patient]
    return pd.DataFrame(
        {
            "request_id": [f"request-{seed}-{index}" for index in range(n)],
            "image_id": [f"{seed * 1_000_000 + index:064x}" for index in range(n)],
            "patient": patient,
            "truth": np.array(LABELS)[truth],
            "answer": np.array(LABELS)[answers],
            "action": np.where(scores.max(axis=1) < 0.6, "refer", "report"),
            "site": site.astype(object),
            "scanner": "alpha",
            "mean": mean,
            "std": std,
            "contrast": 3.5 * std + normal(0, 3),
            "entropy": 6 + 0.02 * std + normal(0, 0.1),
            "sharpness": 250 * gain**2 * np.exp(normal(0, 0.3)),
            "black_share": np.maximum(0.0, 0.3 - 0.002 * mean + normal(0, 0.03)),
            "white_share": 0.0,
            **{f"p_{label}": scores[:, place] for place, label in enumerate(LABELS)},
            **{f"embedding_{index}": normal(0, 1) + 2 * (gain - 1) for index in range(COMPONENTS)},
        }
    )


def make_window(n: int, **how) -> pd.DataFrame:
    """As `ml.monitoring.windows.frames` yields it, with the truth beside it."""
    images = make_images(n, **how)
    names = [f"embedding_{index}" for index in range(COMPONENTS)]
    return with_derived(images.drop(columns=names), images[names].to_numpy(), POLICY.quality_bounds)


def reference_rows(n: int, **how) -> pd.DataFrame:
    """As `reference.parquet` holds them: a third of the groups fitted the projection."""
    images = make_images(n, **how)
    role = np.where(images["patient"] % 3 == 0, "projection", "baseline")
    rows = images.rename(columns={"answer": "predicted", "truth": "label", "patient": "group"})
    return rows.assign(role=role)


def make_reference(n: int = 400, **how) -> Reference:
    return Reference.of(reference_rows(n, **({"seed": 1} | how)), BUNDLE, "b" * 64)


def repeats_of(window: pd.DataFrame) -> Repeats:
    times = window["image_id"].value_counts().to_numpy() if len(window) else np.zeros(0, int)
    return Repeats(len(window), len(times), int(np.square(times).sum()))


def observed(reference: Reference, window: pd.DataFrame, params: MonitoringParams) -> Observation:
    pieces = [window.iloc[start : start + 70] for start in range(0, len(window), 70)]
    return observe(pieces, reference, repeats_of(window), critical_label="malignant", params=params)


def measured(reference: Reference, window: pd.DataFrame, params: MonitoringParams) -> DriftResult:
    return measure_drift(
        reference,
        observed(reference, window, params),
        params=params,
        model_version="3",
        window_start=START,
        window_end=END,
    )


@pytest.fixture(scope="session")
def params() -> MonitoringParams:
    return load_params(PROJECT_ROOT / "params.toml").monitoring


@pytest.fixture(scope="session")
def reference() -> Reference:
    return make_reference()


def result(state: str, week: int) -> DriftResult:
    """A drift result of the given week, without signals."""
    return DriftResult(
        report_id=f"week-{week}",
        model_version="3",
        reference=ReferenceFacts(
            bundle="b" * 64,
            dataset_id="d" * 64,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            images=200,
            groups=90,
            embedding_images=130,
        ),
        window=WindowFacts(
            start=START + timedelta(weeks=week),
            end=END + timedelta(weeks=week),
            images=200,
            distinct=200,
            effective=200.0,
            drawn=200,
        ),
        state=state,
        false_discovery_rate=0.01,
        drifted_share=0.4 if state == "drifted" else 0.0,
        signals=[],
        slices=[],
        label_shares=[],
        label_shift=None,
        exemplars=[],
        reason="4 of 10 signals moved",
    )


def performance(*, measured=None, estimated=None) -> PerformanceResult:
    """Without labels, and without an estimate, but for the metrics given."""
    nothing = dict.fromkeys(("accuracy", "critical_sensitivity", "critical_specificity"))
    return PerformanceResult(
        critical_label="malignant",
        measured=MeasuredPerformance(
            state="ok" if measured else "insufficient",
            answered=200,
            labelled=100 if measured else 0,
            critical_labelled=20 if measured else 0,
            calibration_error=None,
            overconfidence=None,
            label_delay_hours=None,
            label_delay_hours_95=None,
            reason="100 of 200 answers have a label" if measured else "no answer has a label",
            **nothing | (measured or {}),
        ),
        estimated=EstimatedPerformance(
            state="ok" if estimated else "insufficient",
            images=200,
            doubts=[],
            reason="estimated from confidence, without labels",
            **nothing | (estimated or {}),
        ),
        checks=[],
    )


def report(state: str, week: int, *, late=None, **metrics) -> WatchReport:
    """`late`: metrics of earlier weeks, by week, as labels of this week measure them."""
    known = [
        LatePerformance(
            report_id=f"week-{earlier}",
            end=END + timedelta(weeks=earlier),
            measured=performance(measured=measured).measured,
        )
        for earlier, measured in (late or {}).items()
    ]
    found = performance(**metrics).model_copy(update={"late": known})
    return WatchReport(drift=result(state, week), performance=found)
