"""The weekly summary on paper."""

import re

import pytest

from ml.monitoring.results import WatchReport
from ml.monitoring.retrain import decide_retraining
from ml.monitoring.summary_page import render_summary_page
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.unit.monitoring.conftest import END, make_window, measured, performance
from tests.unit.monitoring.conftest import reference as reference

A4_INSIDE = 718  # CSS pixels between margins of 10 mm


@pytest.fixture
def printed(browser, reference):
    """A page of a week in which many signals moved, at every site, in print."""
    params = load_params(PROJECT_ROOT / "params.toml").monitoring
    drift = measured(reference, make_window(400, seed=2, gain=1.25), params)
    report = WatchReport(drift=drift, performance=performance())
    decision = decide_retraining([report], new_labels=7, last_retrain_at=None, now=END,
                                 params=params)  # fmt: skip
    page = browser.new_page(viewport={"width": A4_INSIDE, "height": 1047})
    page.set_content(render_summary_page(report, params, decision, decided=True))
    page.emulate_media(media="print")
    yield page
    page.close()


def test_a_week_in_which_much_moved_is_one_sheet(printed):
    pdf = printed.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 1


def test_no_column_is_cut_off(printed):
    widest = "Math.max(...[...document.querySelectorAll('table')].map(t => t.scrollWidth))"
    assert printed.evaluate(widest) <= A4_INSIDE
