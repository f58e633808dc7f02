import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.evaluation.intervals import wilson
from ml.monitoring.guard import confidence_at, difference, judge_canary
from ml.params import GuardParams, load_params
from ml.settings import PROJECT_ROOT
from ml.store.traffic import Tally

PARAMS: GuardParams = load_params(PROJECT_ROOT / "params.toml").guard


def counts(answered=1000, *, critical=100, referred=50, slow=50, failed=0):
    return Tally(
        version="1",
        answered=answered,
        failed=failed,
        critical=critical,
        referred=referred,
        slow=slow,
    )


@pytest.mark.parametrize(
    ("canary", "named"),
    [
        (counts(critical=250), "critical"),
        (counts(critical=0), "critical"),
        (counts(referred=300), "referred"),
        (counts(slow=400), "slow"),
        (counts(failed=60), "failed"),
        (counts(0, critical=0, referred=0, slow=0, failed=60), "failed"),
    ],
)
def test_each_kind_of_fault_alone_withdraws(canary, named):
    verdict = judge_canary(counts(), canary, PARAMS)
    assert verdict.state == "withdraw"
    assert [shift.name for shift in verdict.shifts if shift.moved] == [named]
    assert named in verdict.reasons[0]


def test_a_canary_that_is_faster_stays():
    assert judge_canary(counts(), counts(slow=0), PARAMS).state == "equal"


@pytest.mark.parametrize(("production", "canary"), [(1000, 29), (29, 1000), (0, 0)])
def test_too_few_answers_judge_nothing_and_the_numbers_are_said(production, canary):
    def few(n):
        return counts(n, critical=n, referred=0, slow=0)

    verdict = judge_canary(few(production), few(canary), PARAMS)
    assert verdict.state == "insufficient"
    assert f"the canary was asked {canary} times" in verdict.reasons[0]


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_the_bounds_hold_the_estimate_and_turn_round_with_it(n, m, data):
    one = wilson(data.draw(st.integers(0, n)), n, 0.99)
    other = wilson(data.draw(st.integers(0, m)), m, 0.99)
    lower, upper = difference(one, other)
    assert -1 - 1e-9 <= lower <= one.estimate - other.estimate <= upper <= 1 + 1e-9
    assert difference(other, one) == pytest.approx((-upper, -lower))


def test_the_bounds_are_those_that_newcombe_published():
    # Newcombe 1998, table II, example (a): 56/70 − 48/80, method 10.
    assert difference(wilson(56, 70, 0.95), wilson(48, 80, 0.95)) == pytest.approx(
        (0.0524, 0.3339), abs=5e-5
    )


def test_the_chance_of_a_false_alarm_is_spent_only_once():
    spent = [1 - confidence_at(PARAMS.min_answers * 2**k, PARAMS) for k in range(30)]
    assert 4 * sum(spent) <= PARAMS.false_alarm * (1 + 1e-9)
    assert spent == sorted(spent, reverse=True)


def withdrawn_after(rng, critical: float, *, images: int, every: int = 10) -> int | None:
    """The canary's images until it is withdrawn; production answers as many, at 10 % critical."""
    usual = np.cumsum(rng.random(images) < 0.1)
    tried = np.cumsum(rng.random(images) < critical)
    for n in range(every, images + 1, every):
        production = counts(n, critical=int(usual[n - 1]), referred=0, slow=0)
        canary = counts(n, critical=int(tried[n - 1]), referred=0, slow=0)
        if judge_canary(production, canary, PARAMS).state == "withdraw":
            return n
    return None


def test_a_guard_that_looks_a_hundred_times_leaves_equal_canaries_alone():
    rng = np.random.default_rng(20)
    assert all(withdrawn_after(rng, 0.1, images=1000) is None for _ in range(200))


def test_a_canary_that_calls_everything_critical_is_withdrawn_at_the_first_look():
    rng = np.random.default_rng(20)
    assert withdrawn_after(rng, 1.0, images=1000) == PARAMS.min_answers
    assert withdrawn_after(rng, 0.4, images=1000) <= 200
