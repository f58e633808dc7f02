import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from ml.contract.errors import TrainingFailed
from ml.contract.quality import STATISTIC_NAMES
from ml.params import AdaptiveParams, EnsembleParams
from ml.training.adaptive import stops
from ml.training.ensemble import (
    ValidationImages,
    fit_ensemble,
    mix,
    projection_part,
    vote_weights,
)
from ml.training.member_files import MemberOutputs
from ml.training.scores import score
from ml.training.temperature import calibrate

LABELS = ["normal", "benign", "malignant"]
PARAMS = EnsembleParams(
    critical_specificity=0.9,
    selective_risk=0.05,
    conformal_error=0.1,
    refer_unless_single=False,
    embedding_components=8,
    projection_share=0.34,
    adaptive=AdaptiveParams(
        enabled=False, highest_critical=0.05, error=0.05, confidence=0.95, min_saving=0.2
    ),
)
ADAPTIVE = PARAMS.model_copy(
    update={"adaptive": PARAMS.adaptive.model_copy(update={"enabled": True})}
)
COSTS = {"quick": 10, "thorough": 100}
ROWS = 300


def truth() -> np.ndarray:
    return np.random.default_rng(0).choice(3, ROWS, p=[0.6, 0.3, 0.1])


def member(skill: float, seed: int) -> MemberOutputs:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(ROWS, 3)) + skill * np.eye(3)[truth()]
    return MemberOutputs(logits.astype(np.float32), rng.normal(size=(ROWS, 12)).astype(np.float32))


def fit(
    members: dict[str, MemberOutputs],
    groups: np.ndarray | None = None,
    *,
    params: EnsembleParams = PARAMS,
    multiplications: dict[str, int] | None = None,
    weights: dict[str, float] | None = None,
):
    rng = np.random.default_rng(9)
    frame = pd.DataFrame({name: rng.normal(100, 5, ROWS) for name in STATISTIC_NAMES})
    groups = np.arange(ROWS) // 3 if groups is None else groups
    images = ValidationImages(truth(), groups, frame, LABELS, "malignant")
    return fit_ensemble(members, images, params, multiplications=multiplications, weights=weights)


def test_a_member_that_knows_nothing_loses_its_vote():
    confident_nonsense = MemberOutputs(member(0, 3).logits * 5, member(0, 3).features)
    definition, projection = fit(
        {"good": member(4, 1), "also good": member(4, 2), "nonsense": confident_nonsense}
    )
    assert definition.members["nonsense"] == 0
    assert list(definition.voters) == ["good", "also good"]
    assert len(projection.mean) == 24


def test_the_vote_is_at_least_as_good_as_its_best_member():
    members = {"a": member(3, 1), "b": member(3, 2)}
    definition, _ = fit(members)
    alone = [fit({name: outputs})[0].validation.log_loss for name, outputs in members.items()]
    assert definition.validation.log_loss <= min(alone) + 1e-6


def test_equal_members_share_the_vote():
    probabilities = softmax(member(2, 1).logits.astype(float), axis=1)
    weights = vote_weights(np.stack([probabilities] * 2), truth())
    np.testing.assert_allclose(weights, 0.5, atol=1e-6)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_the_vote_lies_between_its_members_and_sums_to_one(shares):
    members = np.stack([softmax(member(2, seed).logits, axis=1) for seed in range(len(shares))])
    vote = mix(members, np.array(shares) / sum(shares))
    np.testing.assert_allclose(vote.sum(axis=1), 1, atol=1e-6)
    assert (vote <= members.max(axis=0) + 1e-6).all()
    assert (vote >= members.min(axis=0) - 1e-6).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=100).filter(lambda g: len(set(g)) > 1))
def test_the_projection_takes_whole_groups_and_leaves_a_baseline(groups):
    rows = projection_part(np.array(groups), 0.34)
    assert rows.any()
    assert not rows.all()
    for group in set(groups):
        assert len(set(rows[np.array(groups) == group])) == 1


def test_a_single_group_leaves_no_baseline_and_is_refused():
    with pytest.raises(TrainingFailed, match="1 group"):
        fit({"only": member(3, 1)}, groups=np.zeros(ROWS))


def test_fitting_twice_gives_the_same_definition():
    members = {"a": member(3, 1), "b": member(2, 2)}
    first, second = fit(members), fit(members)
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1].components, second[1].components)


def test_without_costs_or_the_parameter_every_member_answers_every_image():
    members = {"quick": member(9, 1), "thorough": member(9, 2)}
    assert fit(members, params=ADAPTIVE)[0].adaptive is None
    assert fit(members, multiplications=COSTS)[0].adaptive is None


def test_where_one_answers_first_the_embedding_is_of_its_features_alone():
    members = {"quick": member(9, 1), "thorough": member(9, 2)}
    definition, projection = fit(members, params=ADAPTIVE, multiplications=COSTS)
    assert definition.adaptive is not None
    assert definition.adaptive.first == "quick"
    assert projection.components.shape[0] == members["quick"].features.shape[1]


def test_all_behind_an_adaptive_vote_is_fitted_on_what_it_serves():
    members = {"quick": member(6, 1), "thorough": member(9, 2)}
    equal = dict.fromkeys(members, 0.5)
    (adapted, _), (whole, _) = (
        fit(members, params=ADAPTIVE, multiplications=costs, weights=equal)
        for costs in (COSTS, None)
    )
    rule = adapted.adaptive
    assert rule is not None
    assert (adapted.members, adapted.temperature) == (whole.members, whole.temperature)
    assert rule.critical_ceiling < adapted.policy.critical_threshold
    alone = {name: softmax(item.logits.astype(float), axis=1) for name, item in members.items()}
    first = calibrate(alone[rule.first], rule.temperature)
    together = calibrate((alone["quick"] + alone["thorough"]) / 2, whole.temperature)
    served = np.where(stops(first, rule, 2)[:, np.newaxis], first, together)
    assert adapted.validation == score(np.log(served), truth())
    assert adapted.validation != whole.validation


def test_given_weights_are_kept():
    members = {"a": member(3, 1), "b": member(0, 2)}
    assert fit(members, weights={"a": 0.25, "b": 0.75})[0].members == {"a": 0.25, "b": 0.75}


def test_fitting_an_adaptive_vote_twice_gives_the_same_definition():
    members = {"quick": member(9, 1), "thorough": member(9, 2)}
    first, second = (fit(members, params=ADAPTIVE, multiplications=COSTS)[0] for _ in range(2))
    assert first == second
