import pytest

from ml.journey.cause import cause_of
from ml.journey.results import Cause

DRIFT = {"reason": "2 windows drifted", "trigger": "drift", "report_ids": ["a", "b"]}
LABELS = {"reason": "300 new labels", "trigger": "labels", "report_ids": []}


@pytest.mark.parametrize(
    ("run_type", "said", "cause"),
    [
        ("manual", "", Cause(reason="manual run", trigger="manual")),
        ("manual", "new probe", Cause(reason="new probe", trigger="manual")),
        ("scheduled", "", Cause(reason="scheduled run", trigger="schedule")),
        ("asset_triggered", "", Cause(reason="asset_triggered run", trigger="event")),
    ],
)
def test_without_an_event_the_kind_of_run_tells(run_type, said, cause):
    assert cause_of(run_type, said, []) == cause


def test_an_event_brings_its_reason_trigger_and_reports():
    assert cause_of("asset_triggered", "", [DRIFT]) == Cause(
        reason="2 windows drifted", trigger="drift", report_ids=["a", "b"]
    )


def test_several_events_are_all_told_and_the_newest_is_the_trigger():
    cause = cause_of("asset_triggered", "", [DRIFT, DRIFT, LABELS])
    assert cause.reason == "2 windows drifted; 300 new labels"
    assert cause.trigger == "labels"
    assert cause.report_ids == ["a", "b"]


def test_an_event_sent_by_hand_needs_no_reason():
    assert cause_of("asset_triggered", "", [{"from_rest_api": True}]).trigger == "event"
    own = cause_of("asset_triggered", "", [{"reason": "asked for by phone", "trigger": "whim"}])
    assert (own.reason, own.trigger) == ("asked for by phone", "event")


@pytest.mark.parametrize(("run_type", "by"), [("manual", "ada"), ("scheduled", "")])
def test_a_person_stands_behind_what_was_started_by_hand_alone(run_type, by):
    assert cause_of(run_type, "", [], started_by="ada").started_by == by
