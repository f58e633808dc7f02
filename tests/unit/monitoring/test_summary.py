import pytest

from ml.evaluation.results import Interval
from ml.monitoring.results import Exemplar, SignalDrift, SliceDrift
from ml.monitoring.summary import render_summary
from tests.unit.monitoring.conftest import report


def signal(name, *, drifted, effect=0.5):
    return SignalDrift(
        name=name,
        kind="image",
        test="kolmogorov_smirnov",
        statistic=2.0,
        p_value=1e-6,
        adjusted_p_value=1e-5 if drifted else 0.4,
        effect=effect,
        floor=0.1,
        drifted=drifted,
        reference=1,
        current=2,
        reference_worth=200,
        current_worth=180,
    )


def summary(params, state="drifted", **changes):
    whole = report(state, 0)
    return render_summary(
        whole.model_copy(update={"drift": whole.drift.model_copy(update=changes)}), params
    )


def test_the_headline_says_what_was_found(params):
    headlines = {
        state: summary(params, state).splitlines()[0]
        for state in ("quiet", "drifted", "insufficient")
    }
    assert len(set(headlines.values())) == 3
    assert "no longer" in headlines["drifted"]


def test_the_summary_names_window_model_reference_and_what_follows(params):
    text = summary(params)
    assert "2026-11-09 00:00 to 2026-11-16 00:00" in text
    assert "Model version 3 (bundle bbbbbbbbbbbb)" in text
    assert "200 validation images of 90 independent groups of dataset dddddddddddd" in text
    assert "counts towards a retraining" in text


def test_what_moved_most_comes_first_and_what_did_not_is_left_out(params):
    signals = [
        signal("entropy", drifted=True, effect=0.2),
        signal("contrast", drifted=True, effect=0.7),
        signal("sharpness", drifted=False, effect=0.05),
    ]
    text = summary(params, signals=signals)
    assert text.index("contrast") < text.index("entropy")
    assert "sharpness" not in text
    assert "< 0.0001" in text


def test_it_stays_one_page_however_much_moved(params):
    signals = [signal(f"embedding_{index}", drifted=True) for index in range(27)]
    text = summary(params, signals=signals)
    assert len(text.splitlines()) < 80
    assert "15 more moved" in text


def test_sites_and_exemplars_are_told(params):
    part = SliceDrift(
        dimension="site",
        value="harbour",
        images=80,
        reference_images=90,
        state="drifted",
        tested=22,
        moved=[signal("contrast", drifted=True)],
        reason="1 of 22 signals moved",
    )
    image = Exemplar(image_id="ab" * 32, signals=["contrast"])
    text = summary(params, slices=[part], exemplars=[image])
    assert "site harbour" in text
    assert "1 of 22 signals moved: contrast" in text
    assert "ab" * 32 in text


def test_an_estimate_is_marked_as_one_and_its_doubts_are_told(params):
    whole = report("drifted", 0, estimated={"accuracy": Interval(
        estimate=0.9, lower=0.85, upper=0.93, n=200)})  # fmt: skip
    doubtful = whole.performance.estimated.model_copy(update={"doubts": ["images moved"]})
    performance = whole.performance.model_copy(update={"estimated": doubtful})
    text = render_summary(whole.model_copy(update={"performance": performance}), params)
    assert "estimated without labels" in text
    assert "0.900 (0.850–0.930, n = 200)" in text
    assert "**Doubtful**: images moved" in text


@pytest.mark.parametrize(("days", "words"), [(7, "at most once in 7 days"), (0, "no cool-down")])
def test_the_cool_down_is_told(days, words, params):
    chosen = params.model_copy(update={"cooldown_days": days})
    assert words in summary(chosen, "quiet")
