import numpy as np
import pandas as pd
import pytest

from ml.monitoring.performance import Labelled, measure_performance, share_interval
from tests.unit.monitoring.conftest import LABELS, make_window


def window(n=200, *, hours=2.0, **how):
    return make_window(n, **{"seed": 4} | how).assign(delay_hours=hours)


def measured(frame, *, answered=1000, pieces=1):
    frames = [frame.iloc[rows] for rows in np.array_split(np.arange(len(frame)), pieces)]
    return measure_performance(
        Labelled(frames, LABELS),
        answered=answered,
        labels=LABELS,
        critical_label="malignant",
        confidence=0.95,
        min_labelled=30,
    )


def test_answers_are_held_against_the_labels_sent_back():
    frame = window()
    result = measured(frame, pieces=4)
    critical = frame["truth"] == "malignant"
    said = frame["answer"] == "malignant"
    assert result.state == "ok"
    assert (result.answered, result.labelled) == (1000, 200)
    assert result.accuracy.estimate == (frame["truth"] == frame["answer"]).mean()
    assert result.critical_sensitivity.estimate == said[critical].mean()
    assert result.critical_specificity.estimate == (~said[~critical]).mean()
    assert result.critical_labelled == critical.sum() == result.critical_sensitivity.n


def test_the_delay_of_labels_is_told():
    frame = window(100).assign(delay_hours=np.linspace(0, 99, 100))
    result = measured(frame)
    assert result.label_delay_hours == pytest.approx(49.5)
    assert result.label_delay_hours_95 == pytest.approx(94.05)


def test_few_labels_are_counted_but_not_judged():
    result = measured(window(29))
    assert result.state == "insufficient"
    assert result.labelled == 29
    assert result.accuracy is None
    assert result.calibration_error is None
    assert "30 needed" in result.reason


def test_without_any_label_there_is_no_delay():
    result = measured(window(29).iloc[:0])
    assert (result.labelled, result.label_delay_hours) == (0, None)


def test_an_image_labelled_ten_times_is_one_image():
    once = window(100)
    often = pd.concat([once] * 10, ignore_index=True)
    one, many = measured(once), measured(often)
    assert many.accuracy.estimate == one.accuracy.estimate
    assert many.accuracy.upper - many.accuracy.lower == pytest.approx(
        one.accuracy.upper - one.accuracy.lower, rel=0.1
    )
    assert measured(pd.concat([window(20)] * 10)).state == "insufficient"


def test_without_critical_labels_their_sensitivity_is_not_measurable():
    result = measured(window().assign(truth="benign"))
    assert result.critical_sensitivity is None
    assert result.accuracy is not None


def test_overconfidence_shows_as_such():
    frame = window(1000)
    assert measured(frame).overconfidence.lower < 0 < measured(frame).overconfidence.upper
    assert measured(frame).calibration_error.estimate < 0.1
    wrong = measured(frame.assign(truth=np.roll(frame["truth"], 1)))
    assert wrong.overconfidence.lower > 0.2
    assert wrong.calibration_error.lower > 0.2


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(200):
        groups = np.repeat(np.arange(40), 3)
        hits = (rng.random(40) < 0.9)[groups]
        interval = share_interval(hits, groups, 0.95)
        held.append(interval.lower <= 0.9 <= interval.upper)
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize("hits", [np.ones(50, dtype=bool), np.zeros(50, dtype=bool)])
def test_a_perfect_record_is_no_certainty(hits):
    interval = share_interval(hits, np.arange(50), 0.95)
    assert 0.03 < interval.upper - interval.lower < 0.2
    assert interval.lower <= hits.mean() <= interval.upper
