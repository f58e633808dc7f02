from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from ml.params import AdaptiveParams
from ml.training.adaptive import Votes, critical_ceiling, fit_adaptive, least_confidence, stops
from ml.training.temperature import calibrate

PARAMS = AdaptiveParams(
    enabled=True, highest_critical=0.05, error=0.02, confidence=0.95, min_saving=0.2
)
CRITICAL = 2
COSTS = {"quick": 10, "thorough": 90}


def member(truth: np.ndarray, *, skill: float, seed: int) -> np.ndarray:
    """Probabilities (n, 3) of a member that errs less, and is surer, the more `skill` it has."""
    logits = np.random.default_rng(seed).normal(size=(len(truth), 3)) + skill * np.eye(3)[truth]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def votes_of(members: dict[str, np.ndarray], truth: np.ndarray, weights=None, groups=None) -> Votes:
    weights = weights or dict.fromkeys(members, 1 / len(members))
    mixture = sum(weights[name] * probabilities for name, probabilities in members.items())
    answers = mixture.argmax(axis=1)
    return Votes(
        members=members,
        weights=weights,
        multiplications=COSTS,
        answers=answers,
        truth=truth,
        groups=np.arange(len(truth)) if groups is None else groups,
        in_play=answers == CRITICAL,
        critical=CRITICAL,
    )


@pytest.fixture
def truth() -> np.ndarray:
    return np.random.default_rng(0).choice(3, 800, p=[0.6, 0.3, 0.1])


def test_the_cheap_member_answers_first_where_it_is_good(truth):
    members = {
        "thorough": member(truth, skill=9, seed=1),
        "quick": member(truth, skill=8, seed=2),
    }
    adaptive = fit_adaptive(votes_of(members, truth), PARAMS)
    assert adaptive is not None
    assert adaptive.first == "quick"
    assert adaptive.stopped > 0.5


def test_images_that_all_members_call_critical_are_never_stopped(truth):
    members = {
        "quick": member(truth, skill=5, seed=2),
        "thorough": member(truth, skill=9, seed=1),
    }
    votes = votes_of(members, truth)
    adaptive = fit_adaptive(votes, PARAMS)
    assert adaptive is not None
    alone = calibrate(members[adaptive.first], adaptive.temperature)
    assert not stops(alone, adaptive, CRITICAL)[votes.answers == CRITICAL].any()


def test_images_that_all_members_would_send_to_a_person_are_never_stopped(truth):
    members = {
        "quick": member(truth, skill=8, seed=2),
        "thorough": member(truth, skill=9, seed=1),
    }
    votes = votes_of(members, truth)
    doubted = votes.in_play.copy()
    doubted[np.flatnonzero(truth == 0)[:3]] = True
    adaptive = fit_adaptive(replace(votes, in_play=doubted), PARAMS)
    assert (
        adaptive is None
        or not stops(calibrate(members[adaptive.first], adaptive.temperature), adaptive, CRITICAL)[
            doubted
        ].any()
    )


def test_images_of_few_patients_prove_less_than_as_many_patients(truth):
    members = {
        "quick": member(truth, skill=9, seed=2),
        "thorough": member(truth, skill=9, seed=1),
    }
    assert fit_adaptive(votes_of(members, truth), PARAMS) is not None
    patients = np.arange(len(truth)) // 20
    assert fit_adaptive(votes_of(members, truth, groups=patients), PARAMS) is None


def test_a_member_without_a_vote_may_answer_first(truth):
    members = {
        "quick": member(truth, skill=8, seed=2),
        "thorough": member(truth, skill=9, seed=1),
    }
    votes = votes_of(members, truth, {"quick": 0.0, "thorough": 1.0})
    adaptive = fit_adaptive(votes, PARAMS)
    assert adaptive is not None
    assert adaptive.first == "quick"


def test_a_first_member_that_knows_nothing_is_not_worth_asking(truth, caplog):
    members = {
        "quick": member(truth, skill=0, seed=2),
        "thorough": member(truth, skill=9, seed=1),
    }
    assert fit_adaptive(votes_of(members, truth, {"quick": 0.0, "thorough": 1.0}), PARAMS) is None
    assert "All members will answer every image" in caplog.text


def test_a_single_voter_leaves_nothing_to_spare(truth):
    members = {"thorough": member(truth, skill=9, seed=1)}
    assert fit_adaptive(votes_of(members, truth), PARAMS) is None


def test_too_few_images_prove_nothing(truth):
    few = truth[:60]
    members = {"quick": member(few, skill=9, seed=2), "thorough": member(few, skill=9, seed=1)}
    assert fit_adaptive(votes_of(members, few), PARAMS) is None


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=20))
def test_the_ceiling_leaves_room_below_the_lowest_critical_score(scores):
    ceiling = critical_ceiling(np.array(scores), np.ones(len(scores), bool), 0.3)
    assert 0 < ceiling < min(scores)
    assert ceiling <= 0.3


def test_without_a_critical_answer_nothing_is_known_and_nothing_is_stopped():
    assert critical_ceiling(np.array([0.1, 0.2]), np.zeros(2, bool), 0.3) == 0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 6), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_changed_share_keeps_the_error_at_the_wanted_confidence(wrong, size, seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(500), size)
    changed = np.isin(groups, rng.choice(500, wrong, replace=False)) & (
        rng.random(len(groups)) < 0.7
    )
    sure = rng.random(len(groups))
    cut = least_confidence(sure, changed, groups, of=500, params=PARAMS)
    assert cut is not None
    stopped_wrongly = len(np.unique(groups[changed & (sure >= cut)]))
    # With the error at its limit, as few changes as were seen are rarer than 1 in 20.
    assert binom.cdf(stopped_wrongly, 500, PARAMS.error) <= 1 - PARAMS.confidence


def test_a_patient_whose_answers_all_change_counts_once():
    groups = np.append(np.zeros(50, int), np.arange(1, 400))
    changed = groups == 0
    sure = np.linspace(1, 0, len(groups))
    cut = least_confidence(sure, changed, groups, of=400, params=PARAMS)
    assert cut is not None
    assert (sure >= cut).all()


def test_equal_confidences_are_stopped_or_kept_together():
    sure, changed = np.full(400, 0.9), np.zeros(400, bool)
    changed[:100] = True
    assert least_confidence(sure, changed, np.arange(400), of=400, params=PARAMS) is None
