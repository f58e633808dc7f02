import pytest

from ml.monitoring.results import SignalDrift
from ml.monitoring.summary import render_summary
from tests.unit.monitoring.conftest import result


def signal(name, *, drifted, score=1.0):
    return SignalDrift(
        name=name, kind="image", score=score, limit=0.3, drifted=drifted, reference=1, current=2
    )


def test_the_headline_says_what_was_found(params):
    headlines = {
        state: render_summary(result(state, 0), None, params).splitlines()[0]
        for state in ("quiet", "drifted", "insufficient")
    }
    assert len(set(headlines.values())) == 3
    assert "no longer" in headlines["drifted"]


def test_the_summary_names_window_model_and_what_follows(params):
    summary = render_summary(result("drifted", 0), None, params)
    assert "2026-11-09 00:00 to 2026-11-16 00:00" in summary
    assert "Model version 3" in summary
    assert "counts towards a retraining" in summary


def test_what_moved_most_comes_first_and_what_did_not_is_left_out(params):
    signals = [
        signal("entropy", drifted=True, score=0.5),
        signal("contrast", drifted=True, score=2.0),
        signal("sharpness", drifted=False, score=0.1),
    ]
    summary = render_summary(
        result("drifted", 0).model_copy(update={"signals": signals}), None, params
    )
    assert summary.index("contrast") < summary.index("entropy")
    assert "sharpness" not in summary


def test_it_stays_one_page_however_much_moved(params):
    signals = [signal(f"embedding_{index}", drifted=True) for index in range(27)]
    summary = render_summary(
        result("drifted", 0).model_copy(update={"signals": signals}), None, params
    )
    assert len(summary.splitlines()) < 70
    assert "15 more moved" in summary


@pytest.mark.parametrize(("days", "words"), [(7, "at most once in 7 days"), (0, "no cool-down")])
def test_the_cool_down_is_told(days, words, params):
    chosen = params.model_copy(update={"cooldown_days": days})
    assert words in render_summary(result("quiet", 0), None, chosen)
