from datetime import timedelta
from xml.etree import ElementTree

import pytest

from ml.monitoring.results import Mark, Trend
from ml.monitoring.since import period
from ml.monitoring.trend_page import render_trend
from tests.unit.monitoring.conftest import END, report
from tests.unit.monitoring.test_since import HIGH, LOW

MARKS = [
    Mark(at=END + timedelta(weeks=20), kind="retrain", version=None, text="2 windows drifted"),
    Mark(at=END + timedelta(weeks=21), kind="promote", version="4", text="2 windows drifted"),
    Mark(at=END + timedelta(weeks=30), kind="rollback", version="3", text="<b>too slow</b>"),
]


def year(weeks=52):
    def week(number):
        state = "drifted" if number in (19, 20) else "insufficient" if number == 7 else "quiet"
        sensitivity = {"critical_sensitivity": LOW if state == "drifted" else HIGH}
        return report(state, number, measured=sensitivity, estimated=sensitivity)

    return [period(week(number)) for number in range(weeks)]


@pytest.fixture(scope="module")
def page(params):
    return render_trend(Trend(critical_label="malignant", periods=year(), marks=MARKS), params)


def svg(page):
    drawn = page[page.index("<svg") : page.index("</svg>") + len("</svg>")]
    return ElementTree.fromstring(drawn)


def test_a_year_is_one_small_page_that_loads_nothing(page):
    assert len(page.encode()) < 200_000
    assert "http-equiv" in page
    assert "<script" not in page
    assert "<image" not in page


def test_the_charts_are_named_and_their_text_is_text(page):
    words = " ".join("".join(node.itertext()).strip() for node in svg(page).iter() if
                     node.tag.endswith("text"))  # fmt: skip
    for name in ("Signals that moved", "Sensitivity to malignant", "Referred to a person",
                 "Answers", "new model asked for", "version promoted", "v4"):  # fmt: skip
        assert name in words


def test_alarms_are_counted_among_the_windows_judged(page):
    assert "<b>2</b><span>of 51 windows judged" in page


def test_what_happened_is_told_as_text(page):
    assert "promoted version 4" in page
    assert "put back version 3" in page
    assert "<b>too slow</b>" not in page


def test_the_newest_report_comes_first_and_each_is_linked(page):
    assert page.index("week-51/summary.html") < page.index("week-0/summary.html")
    assert page.count("/summary.html") == 52


def test_the_same_year_gives_the_same_page(page, params):
    again = render_trend(Trend(critical_label="malignant", periods=year(), marks=MARKS), params)
    assert again == page


def test_a_single_window_without_labels_is_a_page_too(params):
    lone = Trend(critical_label="malignant", periods=[period(report("insufficient", 0))], marks=[])
    page = render_trend(lone, params)
    assert "1 insufficient" in page
    assert "What happened" not in page
