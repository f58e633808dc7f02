from datetime import timedelta

import pytest

from ml.evaluation.results import Interval
from ml.monitoring.results import VersionStart
from ml.monitoring.since import compare_with_predecessor
from tests.unit.monitoring.conftest import END, report

LOW = Interval(estimate=0.40, lower=0.28, upper=0.53, n=60)
HIGH = Interval(estimate=0.92, lower=0.82, upper=0.97, n=60)
START = VersionStart(
    version="4", bundle="b" * 64, replaced="3", at=END + timedelta(weeks=2, days=1),
    by="promote", trigger="drift", reason="2 windows drifted",
)  # fmt: skip
BEFORE = [report("quiet", 0, measured={"critical_sensitivity": HIGH})]
DURING = [report("drifted", week, measured={"critical_sensitivity": LOW}) for week in (1, 2)]


def since(state="quiet", sensitivity=HIGH, history=(*BEFORE, *DURING)):
    measured = {"critical_sensitivity": sensitivity} if sensitivity else None
    now = report(state, 3, measured=measured)
    own = now.model_copy(update={"drift": now.drift.model_copy(update={"model_version": "4"})})
    return compare_with_predecessor(own, START, list(history))


def test_the_newest_drifted_window_of_the_predecessor_is_held_against_now():
    found = since()
    assert found.verdict == "removed"
    assert (found.before.report_id, found.during.report_id) == ("week-0", "week-2")
    assert found.now.model_version == "4"
    assert found.change.estimate == pytest.approx(0.52)
    assert 0 < found.change.lower < 0.52 < found.change.upper
    assert "rose by 0.52" in found.text


@pytest.mark.parametrize(
    ("state", "sensitivity", "verdict", "words"),
    [
        ("quiet", LOW, "quiet", "chance may explain"),
        ("quiet", None, "quiet", "too few labels"),
        ("drifted", HIGH, "persists", "the drift goes on"),
        ("insufficient", None, "undecided", "too few images"),
        ("quiet", Interval(estimate=0.1, lower=0.05, upper=0.18, n=90), "worse", "fell by 0.30"),
    ],
)
def test_verdicts(state, sensitivity, verdict, words):
    found = since(state, sensitivity)
    assert found.verdict == verdict
    assert words in found.text


def test_where_the_predecessor_saw_no_drift_there_is_nothing_to_remove():
    found = since(history=BEFORE)
    assert (found.verdict, found.during, found.before) == ("nothing", None, None)


def test_windows_of_other_versions_are_not_the_predecessors():
    other = report("drifted", 2)
    drift = other.drift.model_copy(update={"model_version": "2"})
    assert since(history=[other.model_copy(update={"drift": drift})]).during is None


def test_an_interval_of_the_difference_is_wider_than_each_side():
    change = since().change
    for side in (LOW, HIGH):
        assert change.upper - change.lower > side.upper - side.lower
