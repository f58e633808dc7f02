from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.evaluation.results import Interval
from ml.monitoring.retrain import decide_retraining
from tests.unit.monitoring.conftest import END, report

NOW = END + timedelta(weeks=10)


def history(*states, **metrics):
    reports = [report(state, week) for week, state in enumerate(states)]
    if metrics:
        reports[-1] = report(states[-1], len(states) - 1, **metrics)
    return reports


def decided(params, *states, last=None, now=NOW, labels=0, **metrics):
    return decide_retraining(
        history(*states, **metrics),
        new_labels=labels,
        last_retrain_at=last,
        now=now,
        params=params,
    )


def sensitivity(lower, upper):
    return {"critical_sensitivity": Interval(estimate=(lower + upper) / 2, lower=lower, upper=upper, n=90)}  # fmt: skip # noqa: E501


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
    assert decision.trigger == ("drift" if retrain else None)
    assert decision.reason
    assert decision.decided_at == NOW


def test_the_order_in_which_windows_are_given_does_not_matter(params):
    windows = history("quiet", "drifted", "drifted")
    arguments = {"new_labels": 0, "last_retrain_at": None, "now": NOW, "params": params}
    assert decide_retraining(windows[::-1], **arguments) == decide_retraining(windows, **arguments)


def test_the_cool_down_holds_a_request_back_and_says_until_when(params):
    last = END - timedelta(days=1)
    windows = ("drifted", "drifted", "drifted")
    within = decided(params, *windows, last=last, now=END + timedelta(days=2))
    assert not within.retrain
    assert within.trigger == "drift"
    assert f"cool-down runs until {last + timedelta(days=7):%Y-%m-%d}" in within.reason
    assert decided(params, *windows, last=last, now=END + timedelta(days=30)).retrain


def test_a_weekly_decision_that_is_seconds_early_does_not_wait_another_week(params):
    last = END + timedelta(hours=6, seconds=40)
    early = last + timedelta(days=params.cooldown_days, seconds=-5)
    assert decided(params, "quiet", last=last, now=early, labels=params.new_labels).retrain


def test_a_look_that_is_repeated_is_no_second_window(params):
    def again(state, minutes):
        one = report(state, 0)
        window = one.drift.window
        moved = {"start": window.start + minutes, "end": window.end + minutes}
        drift = one.drift.model_copy(update={"window": window.model_copy(update=moved)})
        return one.model_copy(update={"drift": drift})

    looks = [report("drifted", 0), again("drifted", timedelta(minutes=1))]
    decision = decide_retraining(looks, new_labels=0, last_retrain_at=None, now=NOW, params=params)
    assert not decision.retrain
    assert "1 of the last 1 windows drifted" in decision.reason
    seconds_early = [report("drifted", 0), again("drifted", timedelta(days=7, seconds=-5))]
    decision = decide_retraining(
        seconds_early, new_labels=0, last_retrain_at=None, now=NOW, params=params
    )
    assert decision.retrain


def test_a_window_that_was_acted_on_does_not_ask_again(params):
    last = END + timedelta(weeks=2, hours=1)
    under = {"measured": sensitivity(0.3, 0.5)}
    decision = decided(params, "drifted", "drifted", "drifted", last=last, **under)
    assert not decision.retrain
    assert "acted on already" in decision.reason


def test_the_reason_names_the_windows_that_count(params):
    decision = decided(params, "drifted", "quiet", "drifted")
    assert decision.reasons[0].report_ids == ["week-0", "week-2"]
    assert "2 of the last 3 windows drifted" in decision.reason


def test_enough_new_labels_ask_for_a_model_without_any_drift(params):
    enough = decided(params, "quiet", labels=params.new_labels)
    assert enough.retrain
    assert enough.trigger == "labels"
    assert "300 new labels" in enough.reason
    few = decided(params, "quiet", labels=params.new_labels - 1)
    assert not few.retrain
    assert "299 of 300 new labels" in few.reason


@pytest.mark.parametrize("how", ["measured", "estimated"])
def test_performance_that_is_surely_under_the_floor_asks_for_a_model(how, params):
    decision = decided(params, "quiet", **{how: sensitivity(0.5, 0.74)})
    assert decision.trigger == "performance"
    assert f"malignant sensitivity is {how} at 0.62 (0.50 to 0.74)" in decision.reason
    assert decision.reasons[0].report_ids == ["week-0"]


def test_performance_that_may_be_above_the_floor_asks_for_nothing(params):
    assert not decided(params, "quiet", estimated=sensitivity(0.5, 0.76)).retrain


def test_what_was_measured_goes_before_what_was_estimated(params):
    decision = decided(
        params, "quiet", measured=sensitivity(0.8, 0.95), estimated=sensitivity(0.4, 0.6)
    )
    assert not decision.retrain


def test_labels_that_come_weeks_later_ask_for_a_model_as_well(params):
    bad, good = sensitivity(0.3, 0.5), sensitivity(0.8, 0.95)
    decision = decided(params, "quiet", "quiet", "quiet", late={0: good, 1: bad})
    assert decision.trigger == "performance"
    assert f"in the window to {END + timedelta(weeks=1):%Y-%m-%d}, by labels" in decision.reason
    assert decision.reasons[0].report_ids == ["week-2"]
    # The newest that is known counts, and what the newest window's own labels say goes before.
    assert not decided(params, "quiet", "quiet", "quiet", late={0: bad, 1: good}).retrain
    assert not decided(params, "quiet", "quiet", late={0: bad}, measured=good).retrain
    # A good past does not speak for a window that is surely bad.
    assert decided(params, "quiet", "quiet", late={0: good}, estimated=bad).retrain


def test_late_labels_of_a_window_that_was_acted_on_ask_for_nothing(params):
    last = END + timedelta(hours=1)
    decision = decided(params, "quiet", "quiet", last=last, late={0: sensitivity(0.3, 0.5)})
    assert not decision.retrain


def test_only_the_newest_windows_performance_counts(params):
    past = [report("quiet", 0, measured=sensitivity(0.3, 0.5)), report("quiet", 1)]
    decision = decide_retraining(past, new_labels=0, last_retrain_at=None, now=NOW, params=params)
    assert not decision.retrain


def test_all_reasons_are_kept_and_the_gravest_is_first(params):
    decision = decided(params, "drifted", "drifted", labels=400, estimated=sensitivity(0.3, 0.5))
    assert [reason.trigger for reason in decision.reasons] == ["performance", "drift", "labels"]
    assert decision.trigger == "performance"


@given(st.lists(st.sampled_from(["quiet", "drifted", "insufficient"]), max_size=8))
def test_drift_asks_for_nothing_unless_the_newest_window_drifted(params, states):
    decision = decided(params, *states)
    if decision.retrain:
        assert states[-1] == "drifted"
        assert states[-3:].count("drifted") >= 2
