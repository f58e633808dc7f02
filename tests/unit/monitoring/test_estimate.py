import numpy as np
import pandas as pd
import pytest

from ml.monitoring.estimate import ConfidenceCounts, Estimator, estimate_performance
from ml.monitoring.reference import label_indices
from ml.monitoring.windows import score_matrix
from tests.unit.monitoring.conftest import LABELS, make_reference, make_window, repeats_of

METRICS = ("accuracy", "critical_sensitivity", "critical_specificity")


def counted(window: pd.DataFrame) -> ConfidenceCounts:
    counts = ConfidenceCounts(LABELS, "malignant")
    for piece in np.array_split(np.arange(len(window)), 3):
        rows = window.iloc[piece]
        counts.add(score_matrix(rows, LABELS), label_indices(rows["answer"], LABELS))
    return counts


def truth_of(window: pd.DataFrame) -> dict[str, float]:
    critical, said = window["truth"] == "malignant", window["answer"] == "malignant"
    return {
        "accuracy": float((window["truth"] == window["answer"]).mean()),
        "critical_sensitivity": float(said[critical].mean()),
        "critical_specificity": float((~said[~critical]).mean()),
    }


def estimated(reference, window, **changes):
    arguments = {
        "effective": repeats_of(window).effective,
        "min_images": 50,
        "confidence": 0.95,
        "doubts": [],
    }
    estimator = Estimator.fit(reference, "malignant")
    return estimate_performance(estimator, counted(window), **arguments | changes)


def coverage(*, windows=40, **how):
    """Share of windows whose realised performance lies in its estimate's interval, by metric."""
    inside = {name: [] for name in METRICS}
    for seed in range(windows):
        reference = make_reference(300, seed=1000 + seed, per_patient=how.get("per_patient", 1))
        window = make_window(300, seed=seed, sharpness=1.2, **how)
        result, truth = estimated(reference, window), truth_of(window)
        for name in METRICS:
            interval = getattr(result, name)
            inside[name].append(interval.lower <= truth[name] <= interval.upper)
    return {name: float(np.mean(held)) for name, held in inside.items()}


@pytest.fixture
def blunt():
    """A reference of a model that often errs."""
    return make_reference(400, sharpness=1.2)


def test_confidence_tells_performance_without_labels(blunt):
    window = make_window(4000, seed=2, sharpness=1.2)
    result, truth = estimated(blunt, window), truth_of(window)
    for name in METRICS:
        assert getattr(result, name).estimate == pytest.approx(truth[name], abs=0.07)
        assert getattr(result, name).lower <= truth[name] <= getattr(result, name).upper
    assert result.state == "ok"


def test_an_overconfident_model_is_not_believed():
    """Probabilities far too sure on the reference are corrected by what happened there."""
    rows = make_reference(2000, sharpness=1.2)
    scores = score_matrix(rows.rows, LABELS) ** 3
    for place, label in enumerate(LABELS):
        rows.rows[f"p_{label}"] = scores[:, place] / scores.sum(axis=1)
    window = make_window(2000, seed=2, sharpness=1.2)
    sharper = score_matrix(window, LABELS) ** 3
    for place, label in enumerate(LABELS):
        window[f"p_{label}"] = sharper[:, place] / sharper.sum(axis=1)
    accuracy = estimated(rows, window).accuracy
    assert accuracy.lower <= truth_of(window)["accuracy"] <= accuracy.upper
    assert score_matrix(window, LABELS).max(axis=1).mean() > accuracy.upper


def test_a_harder_window_is_estimated_as_worse(blunt):
    easy = estimated(blunt, make_window(1000, seed=2, sharpness=2.0)).accuracy
    hard = estimated(blunt, make_window(1000, seed=3, sharpness=0.5)).accuracy
    assert hard.upper < easy.lower


@pytest.mark.parametrize("per_patient", [1, 3])
def test_what_labels_would_show_lies_in_the_interval_as_often_as_it_says(per_patient):
    assert min(coverage(per_patient=per_patient).values()) >= 0.85


def test_copies_of_an_image_widen_the_interval(blunt):
    window = make_window(200, seed=4, sharpness=1.2)
    copies = pd.concat([window] * 5, ignore_index=True)
    once, often = (estimated(blunt, rows).accuracy for rows in (window, copies))
    assert often.estimate == pytest.approx(once.estimate)
    assert often.upper - often.lower == pytest.approx(once.upper - once.lower, rel=0.15)


def test_a_small_reference_leaves_more_doubt():
    window = make_window(3000, seed=5, sharpness=1.2)
    small, large = (
        estimated(make_reference(n, sharpness=1.2), window).accuracy for n in (60, 3000)
    )
    assert small.upper - small.lower > 2 * (large.upper - large.lower)


def test_few_images_or_no_reference_are_not_judged(blunt):
    window = make_window(49, seed=6)
    assert estimated(blunt, window).state == "insufficient"
    assert "49 independent images, 50 needed" in estimated(blunt, window).reason
    few = estimated(make_reference(20), make_window(100, seed=6))
    assert few.state == "insufficient"
    assert few.accuracy is None


def test_without_a_critical_probability_there_is_no_sensitivity_to_estimate(blunt):
    counts = ConfidenceCounts(LABELS, "malignant")
    found = Estimator.fit(blunt, "malignant").estimate(counts, worth=1.0, confidence=0.95)
    assert found == dict.fromkeys(METRICS)


def test_doubts_are_told(blunt):
    result = estimated(blunt, make_window(100, seed=7), doubts=["images moved"])
    assert result.doubts == ["images moved"]
