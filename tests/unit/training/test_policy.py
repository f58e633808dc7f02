import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ml.contract.decision import choose_labels
from ml.contract.quality import STATISTIC_NAMES
from ml.params import AdaptiveParams, EnsembleParams
from ml.training.policy import critical_threshold, fit_policy, quality_bounds

LABELS = ["normal", "benign", "malignant"]
PARAMS = EnsembleParams(
    critical_specificity=0.9,
    selective_risk=0.05,
    conformal_error=0.1,
    refer_unless_single=False,
    embedding_components=4,
    projection_share=0.3,
    adaptive=AdaptiveParams(
        enabled=False, highest_critical=0.05, error=0.01, confidence=0.95, min_saving=0.2
    ),
)


def statistics(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({name: rng.normal(100, 5, rows) for name in STATISTIC_NAMES})


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=4, max_size=60).filter(
        lambda pairs: 0 < sum(critical for _, critical in pairs) < len(pairs)
    ),
    st.floats(0.05, 0.99),
)
def test_the_threshold_keeps_the_specificity_or_is_the_highest_allowed(pairs, specificity):
    scores, critical = (np.array(values) for values in zip(*pairs, strict=True))
    threshold = critical_threshold(scores, critical, specificity=specificity)
    assert 0 < threshold <= 0.5
    kept = np.mean(scores[~critical] < threshold)
    assert kept >= specificity or threshold == 0.5


def test_separable_scores_are_split_midway():
    scores, critical = np.array([0.1, 0.2, 0.4, 0.9]), np.array([False, False, True, True])
    assert np.isclose(critical_threshold(scores, critical, specificity=0.9), 0.3)


def test_quality_bounds_hold_all_typical_images_and_leave_out_a_black_one():
    frame = statistics(300)
    bounds = quality_bounds(frame)
    for name, (low, high) in bounds.items():
        assert np.mean(frame[name].between(low, high)) > 0.98
        assert not low <= 0.0 <= high


def fitted(rows: int = 400, **changes: object):
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet([0.4, 0.4, 0.4], size=rows)
    truth = np.array([rng.choice(3, p=row) for row in probabilities])
    policy = fit_policy(
        probabilities,
        rng.normal(size=(200, 4)),
        truth,
        statistics(rows),
        label_names=LABELS,
        critical_label="malignant",
        params=PARAMS.model_copy(update=changes),
    )
    return policy, probabilities, truth


def test_the_refer_band_keeps_the_risk_of_what_is_reported_and_refers_no_more() -> None:
    policy, probabilities, truth = fitted(selective_risk=0.1)
    answers = choose_labels(probabilities, LABELS, policy)
    confidence = probabilities[np.arange(len(answers)), answers]
    wrong = answers != truth
    assert wrong.mean() > 0.1
    assert wrong[confidence >= policy.refer_below].mean() <= 0.1
    next_lower = confidence[confidence < policy.refer_below].max()
    assert wrong[confidence >= next_lower].mean() > 0.1


def test_more_risk_allowed_refers_less() -> None:
    strict, easy = (fitted(selective_risk=risk)[0] for risk in (0.05, 0.2))
    assert easy.refer_below < strict.refer_below


def test_only_what_no_validation_image_tells_lies_near_the_threshold() -> None:
    policy, probabilities, _ = fitted()
    distance = np.abs(probabilities[:, 2] - policy.critical_threshold)
    assert 0 < policy.refer_margin <= 0.1
    assert (distance >= policy.refer_margin).all()


def test_each_class_gets_a_conformal_quantile_as_far_as_it_has_images() -> None:
    policy, _, truth = fitted()
    assert set(policy.conformal_quantiles) == set(LABELS)
    assert policy.conformal_error == 0.1
    few, _, truth = fitted(rows=30, conformal_error=0.05)
    assert set(few.conformal_quantiles) == {
        name for index, name in enumerate(LABELS) if np.sum(truth == index) >= 19
    }


def test_the_limits_of_the_familiar_leave_room() -> None:
    assert fitted()[0].outlier_distance > 1
