from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.monitoring.retrain import decide_retraining
from tests.unit.monitoring.conftest import END, result

NOW = END + timedelta(weeks=10)


def history(*states):
    return [result(state, week) for week, state in enumerate(states)]


def decided(params, *states, last=None, now=NOW):
    return decide_retraining(history(*states), last_retrain_at=last, now=now, params=params)


@pytest.mark.parametrize(
    ("states", "retrain"),
    [
        (("drifted", "quiet", "drifted"), True),
        (("quiet", "drifted", "drifted"), True),
        (("drifted", "drifted", "quiet"), False),
        (("quiet", "quiet", "drifted"), False),
        (("drifted", "drifted", "insufficient"), False),
        (("drifted", "drifted", "quiet", "quiet", "drifted"), False),
        (("drifted",), False),
        ((), False),
    ],
)
def test_two_of_the_last_three_windows_and_the_newest_ask_for_a_model(states, retrain, params):
    decision = decided(params, *states)
    assert decision.retrain is retrain
    assert decision.reason
    assert decision.decided_at == NOW


def test_the_order_in_which_windows_are_given_does_not_matter(params):
    windows = history("quiet", "drifted", "drifted")
    arguments = {"last_retrain_at": None, "now": NOW, "params": params}
    assert decide_retraining(windows[::-1], **arguments) == decide_retraining(windows, **arguments)


def test_the_cool_down_holds_a_request_back_and_says_until_when(params):
    last = END - timedelta(days=1)
    windows = ("drifted", "drifted", "drifted")
    within = decided(params, *windows, last=last, now=END + timedelta(days=2))
    assert not within.retrain
    assert f"cool-down runs until {last + timedelta(days=7):%Y-%m-%d %H:%M}" in within.reason
    assert decided(params, *windows, last=last, now=END + timedelta(days=30)).retrain


def test_a_window_that_was_acted_on_does_not_ask_again(params):
    last = END + timedelta(weeks=2, hours=1)
    decision = decided(params, "drifted", "drifted", "drifted", last=last)
    assert not decision.retrain
    assert "acted on already" in decision.reason


def test_the_reason_names_the_windows_that_count(params):
    decision = decided(params, "drifted", "quiet", "drifted")
    assert decision.drifted_windows == ["week-0", "week-2"]
    assert "2 of the last 3 windows drifted" in decision.reason


@given(st.lists(st.sampled_from(["quiet", "drifted", "insufficient"]), max_size=8))
def test_nothing_is_asked_for_unless_the_newest_window_drifted(params, states):
    decision = decided(params, *states)
    if decision.retrain:
        assert states[-1] == "drifted"
        assert states[-3:].count("drifted") >= 2
