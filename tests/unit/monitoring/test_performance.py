from datetime import timedelta

import pytest

from ml.contract.records import FeedbackRecord
from ml.evaluation.intervals import wilson
from ml.monitoring.performance import measure_performance
from tests.unit.monitoring.conftest import LABELS, make_records

RECORDS = make_records(60, seed=4)


def label(record, name, *, hours=2.0, author="reader 1"):
    return FeedbackRecord(
        feedback_id=f"{record.request_id}-{hours}",
        request_id=record.request_id,
        at=record.at + timedelta(hours=hours),
        label=name,
        author=author,
    )


def measured(feedback):
    return measure_performance(RECORDS, feedback, critical_label="malignant", labels=LABELS)


def test_answers_are_held_against_the_labels_sent_back():
    result = measured([label(r, r.label if i else "benign") for i, r in enumerate(RECORDS)])
    wrong = int(RECORDS[0].label != "benign")
    assert result.state == "ok"
    assert result.accuracy == wilson(60 - wrong, 60, 0.95)
    assert result.label_delay_hours == pytest.approx(2.0)


def test_critical_sensitivity_is_over_the_images_labelled_critical():
    result = measured([label(record, "malignant") for record in RECORDS])
    found = sum(record.label == "malignant" for record in RECORDS)
    assert result.critical_sensitivity == wilson(found, 60, 0.95)


def test_few_labels_are_counted_but_not_judged():
    result = measured([label(record, record.label) for record in RECORDS[:29]])
    assert result.state == "insufficient"
    assert result.labelled == 29
    assert result.accuracy is None
    assert "30 needed" in result.reason


def test_the_newest_label_of_a_request_counts_once():
    first, *_ = RECORDS
    feedback = [label(first, "normal", hours=9.0), label(first, "malignant", hours=1.0)]
    result = measured(feedback)
    assert result.labelled == 1
    assert result.label_delay_hours == pytest.approx(9.0)


def test_unknown_labels_and_requests_are_left_out():
    stray = label(RECORDS[0], "benign").model_copy(update={"request_id": "elsewhere"})
    assert measured([stray, label(RECORDS[1], "lipoma")]).labelled == 0


def test_without_any_label_there_is_no_delay():
    assert measured([]).label_delay_hours is None


def test_without_critical_labels_their_sensitivity_is_not_measurable():
    result = measured([label(record, "benign") for record in RECORDS])
    assert result.critical_sensitivity is None
    assert result.accuracy is not None
