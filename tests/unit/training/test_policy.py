import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ml.contract.quality import STATISTIC_NAMES
from ml.params import EnsembleParams
from ml.training.policy import critical_threshold, fit_policy, quality_bounds

LABELS = ["normal", "benign", "malignant"]
PARAMS = EnsembleParams(
    critical_specificity=0.9, refer_share=0.1, embedding_components=4, projection_share=0.3
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


def test_the_refer_band_holds_about_the_asked_share():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet([0.6, 0.6, 0.6], size=400)
    truth = np.array([rng.choice(3, p=row) for row in probabilities])
    policy = fit_policy(
        probabilities,
        rng.normal(size=(200, 4)),
        truth,
        statistics(400),
        label_names=LABELS,
        critical_label="malignant",
        params=PARAMS,
    )
    confidence = probabilities.max(axis=1)
    assert np.mean(confidence < policy.refer_below) < 0.2
    assert policy.refer_margin <= 0.1
    assert policy.outlier_distance > 1
