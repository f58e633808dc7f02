import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.contract.decision import (
    DecisionPolicy,
    choose_labels,
    decide,
    embedding_distance,
    in_refer_band,
    prediction_sets,
)
from ml.contract.quality import measure

LABELS = ("normal", "benign", "malignant")
FAMILIAR = np.zeros(4)
PLAIN = measure(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))


def policy(**changes: object) -> DecisionPolicy:
    values: dict[str, object] = {
        "critical_label": "malignant",
        "critical_threshold": 0.3,
        "refer_below": 0.5,
        "refer_margin": 0.05,
        "outlier_distance": 2.0,
    }
    return DecisionPolicy.model_validate(values | changes)


def answer(*probabilities: float, embedding: np.ndarray = FAMILIAR, **changes: object):  # type: ignore[no-untyped-def]
    return decide(np.array(probabilities), embedding, PLAIN, LABELS, policy(**changes))


_PROBABILITIES = st.lists(st.floats(0.001, 1), min_size=3, max_size=3).map(
    lambda values: np.array(values) / sum(values)
)


def test_a_clear_answer_is_reported_without_reasons() -> None:
    decision = answer(0.1, 0.85, 0.05)
    assert (decision.label, decision.action, decision.reasons) == ("benign", "report", [])


def test_the_critical_label_is_given_from_its_threshold_on_though_another_has_more() -> None:
    assert answer(0.1, 0.5, 0.4, refer_below=0).label == "malignant"
    assert answer(0.2, 0.5, 0.3, refer_below=0).label == "malignant"
    assert answer(0.2, 0.51, 0.29, refer_below=0).label == "benign"


def test_below_its_threshold_the_critical_label_is_not_given_though_it_has_most() -> None:
    assert answer(0.25, 0.3, 0.45, critical_threshold=0.6).label == "benign"


def test_low_confidence_is_referred() -> None:
    decision = answer(0.4, 0.45, 0.15)
    assert (decision.action, decision.reasons) == ("refer", ["low confidence"])


def test_the_neighbourhood_of_the_threshold_is_referred() -> None:
    assert answer(0.04, 0.7, 0.26).reasons == ["close to the malignant threshold"]


def test_an_unfamiliar_image_is_referred() -> None:
    decision = answer(0.1, 0.85, 0.05, embedding=np.full(4, 2.1))
    assert decision.reasons == ["unlike the images the model was trained on"]


def test_an_image_of_poor_quality_is_referred_and_the_measure_is_named() -> None:
    decision = answer(0.1, 0.85, 0.05, quality_bounds={"black_share": (0.5, 1.0), "mean": (0, 255)})
    assert decision.reasons == ["image quality: black share out of range"]


def test_all_reasons_are_given() -> None:
    decision = answer(0.35, 0.36, 0.29, embedding=np.full(4, 9.0), quality_bounds={"mean": (0, 1)})
    assert len(decision.reasons) == 4


@given(_PROBABILITIES, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_an_answer_is_reported_exactly_when_nothing_speaks_against_it(
    probabilities: np.ndarray, threshold: float, below: float, margin: float
) -> None:
    rule = policy(critical_threshold=threshold, refer_below=below, refer_margin=margin)
    decision = decide(probabilities, FAMILIAR, PLAIN, LABELS, rule)
    assert (decision.action == "report") == (not decision.reasons)
    assert decision.label in LABELS


@given(st.lists(_PROBABILITIES, min_size=1, max_size=8), st.floats(0, 1))
def test_the_critical_label_is_chosen_exactly_from_its_threshold_on(
    rows: list[np.ndarray], threshold: float
) -> None:
    probabilities = np.array(rows)
    chosen = choose_labels(probabilities, LABELS, policy(critical_threshold=threshold))
    assert np.array_equal(chosen == 2, probabilities[:, 2] >= threshold)
    rest = chosen[chosen != 2]
    assert np.array_equal(rest, probabilities[chosen != 2, :2].argmax(axis=1))


@given(_PROBABILITIES, st.floats(0, 0.99), st.floats(0, 0.5))
def test_a_lower_threshold_never_loses_a_critical_answer(
    probabilities: np.ndarray, threshold: float, step: float
) -> None:
    strict = choose_labels(probabilities[np.newaxis], LABELS, policy(critical_threshold=threshold))
    easier = policy(critical_threshold=max(threshold - step, 0))
    if strict[0] == 2:
        assert choose_labels(probabilities[np.newaxis], LABELS, easier)[0] == 2


def test_choosing_leaves_the_probabilities_alone() -> None:
    probabilities = np.array([[0.1, 0.5, 0.4]])
    choose_labels(probabilities, LABELS, policy())
    assert probabilities.tolist() == [[0.1, 0.5, 0.4]]


def test_a_familiar_image_lies_at_distance_one() -> None:
    whitened = np.random.default_rng(0).normal(size=(4000, 8))
    assert embedding_distance(whitened).mean() == pytest.approx(1, abs=0.05)
    assert embedding_distance(np.full(16, 3.0)) == pytest.approx(3)


CONFORMAL = {"conformal_error": 0.1, "conformal_quantiles": {"normal": 0.4, "benign": 0.6}}


def test_a_policy_without_conformal_quantiles_promises_no_set() -> None:
    assert answer(0.1, 0.85, 0.05).prediction_set is None


def test_the_set_holds_every_label_near_enough_and_every_label_without_a_quantile() -> None:
    decision = answer(0.1, 0.85, 0.05, **CONFORMAL)
    assert decision.prediction_set == ["benign", "malignant"]
    assert decision.action == "report"


def test_a_set_without_exactly_one_label_is_referred_where_the_policy_says_so() -> None:
    strict = {**CONFORMAL, "refer_unless_single": True}
    assert answer(0.1, 0.85, 0.05, **strict).reasons == ["several labels are possible"]
    none = {**strict, "conformal_quantiles": dict.fromkeys(LABELS, 0.1)}
    assert answer(0.1, 0.85, 0.05, **none).reasons == ["no label fits"]
    sure = answer(0.02, 0.96, 0.02, **none)
    assert (sure.action, sure.prediction_set) == ("report", ["benign"])


@given(st.lists(_PROBABILITIES, min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_quantile_never_takes_a_label_out_of_a_set(
    rows: list[np.ndarray], first: float, second: float
) -> None:
    narrow, wide = (
        prediction_sets(
            np.array(rows), LABELS, policy(conformal_quantiles=dict.fromkeys(LABELS, quantile))
        )
        for quantile in sorted([first, second])
    )
    assert (narrow <= wide).all()


@given(st.lists(_PROBABILITIES, min_size=1, max_size=8))
def test_the_refer_band_of_many_images_is_that_of_each(rows: list[np.ndarray]) -> None:
    unsure, near = in_refer_band(np.array(rows), LABELS, policy())
    for row, low, close in zip(rows, unsure, near, strict=True):
        reasons = decide(row, FAMILIAR, PLAIN, LABELS, policy()).reasons
        assert ("low confidence" in reasons) == low
        assert ("close to the malignant threshold" in reasons) == close
