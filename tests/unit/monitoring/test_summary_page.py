import re
from datetime import timedelta

import pytest

from ml.monitoring.results import Exemplar, SliceDrift, WatchReport
from ml.monitoring.retrain import decide_retraining
from ml.monitoring.since import compare_with_predecessor
from ml.monitoring.summary_page import render_summary_page
from tests.unit.monitoring.conftest import (
    END,
    make_window,
    measured,
    performance,
    report,
)
from tests.unit.monitoring.test_since import BEFORE, DURING, HIGH, LOW, START
from tests.unit.monitoring.test_summary import signal


def rendered(params, whole, earlier=(), *, decided=True):
    decision = decide_retraining(
        [*earlier, whole], new_labels=7, last_retrain_at=None, now=END, params=params
    )
    return render_summary_page(whole, params, decision, earlier, decided=decided)


def changed(state="drifted", **changes):
    whole = report(state, 0)
    return whole.model_copy(update={"drift": whole.drift.model_copy(update=changes)})


def test_the_page_loads_nothing_and_is_small(reference, params):
    drift = measured(reference, make_window(400, seed=2, gain=1.25), params)
    page = rendered(params, WatchReport(drift=drift, performance=performance()))
    assert len(page.encode()) < 200_000
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!report\.html|\.\./trend\.html)", page)
    assert "<script" not in page


def test_each_moved_signal_has_its_distance_with_an_interval(reference, params):
    drift = measured(reference, make_window(400, seed=2, gain=1.25), params)
    page = rendered(params, WatchReport(drift=drift, performance=performance()))
    most = max(drift.moved, key=lambda item: item.effect)
    assert most.effect_lower < most.effect < most.effect_upper
    assert f"{most.effect:.2f} ({most.effect_lower:.2f}–{most.effect_upper:.2f})" in page


def test_a_quiet_window_shows_what_came_closest(reference, params):
    drift = measured(reference, make_window(400, seed=2), params)
    page = rendered(params, WatchReport(drift=drift, performance=performance()))
    assert drift.state == "quiet"
    assert "These came closest" in page
    assert page.count("embedding") < 20


def test_a_signal_of_an_older_record_is_shown_without_an_interval(params):
    page = rendered(params, changed(signals=[signal("contrast", drifted=True)]))
    assert ">0.50<" in page


def test_names_that_clients_sent_are_text(params):
    place = SliceDrift(
        dimension="scanner", value="<img src=x onerror=alert(1)>", images=9, reference_images=0,
        state="insufficient", tested=0, moved=[], reason="0 images in the reference",
    )  # fmt: skip
    page = rendered(params, changed(slices=[place]))
    assert "<img" not in page
    assert "insufficient n" in page


def test_images_are_named_and_not_shown(params):
    image = Exemplar(image_id="ab" * 32, signals=["contrast"])
    page = rendered(params, changed(exemplars=[image]))
    assert "ab" * 32 in page
    assert "data:image" not in page


def test_a_request_tells_its_typed_reasons(params):
    whole = report("drifted", 3, measured={"critical_sensitivity": LOW})
    page = rendered(params, whole, [report("drifted", 2)])
    assert "A new model was asked for on 2026-11-16 00:00" in page
    assert "<b>Performance.</b> Malignant sensitivity is measured at 0.40" in page
    assert "<b>Drift.</b> 2 of the last 2 windows drifted" in page
    assert "decision follows" in rendered(params, whole, decided=False)


def test_a_cool_down_is_told_with_its_end(params):
    decision = decide_retraining(
        [report("drifted", 3, measured={"critical_sensitivity": LOW})],
        new_labels=0,
        last_retrain_at=END + timedelta(weeks=3, days=-2),
        now=END + timedelta(weeks=3),
        params=params,
    )
    page = render_summary_page(report("drifted", 3), params, decision, decided=True)
    assert "though there is reason to" in page
    assert "the cool-down runs until 2026-12-12" in page


def test_measured_stands_beside_estimated_and_doubts_are_told(params):
    whole = report("drifted", 0, estimated={"accuracy": HIGH}, measured={"accuracy": LOW})
    estimated = whole.performance.estimated.model_copy(update={"doubts": ["images moved"]})
    found = whole.performance.model_copy(update={"estimated": estimated})
    page = rendered(params, whole.model_copy(update={"performance": found}))
    assert "40% (28–53)" in page
    assert "92% (82–97)" in page
    assert "It is doubtful: images moved." in page


@pytest.mark.parametrize(("sensitivity", "words"), [(HIGH, "drift ended, sensitivity rose"),
                                                    (LOW, "drift ended")])  # fmt: skip
def test_what_the_version_changed_is_told(params, sensitivity, words):
    history = [*BEFORE, *DURING]
    now = report("quiet", 3, measured={"critical_sensitivity": sensitivity})
    found = compare_with_predecessor(now, START, history)
    page = rendered(params, now.model_copy(update={"since": found}), history)
    assert "Since version 4" in page
    assert words in page
    assert page.count("<i class=") == 4


def test_a_window_too_small_to_judge_says_so(params):
    page = rendered(params, report("insufficient", 0))
    assert "Too few images to judge." in page
    assert "What moved" not in page
