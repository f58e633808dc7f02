import numpy as np
import pandas as pd
import pytest

from ml.monitoring.results import DriftResult
from tests.unit.monitoring.conftest import make_reference, make_window, measured


@pytest.fixture(scope="module")
def brighter(reference, params):
    return measured(reference, make_window(150, seed=2, gain=1.25), params)


def test_a_window_like_the_reference_is_quiet(reference, params):
    drift = measured(reference, make_window(150, seed=2), params)
    assert drift.state == "quiet"
    assert drift.drifted_share == 0
    assert drift.exemplars == []


def test_a_gain_shift_is_found_and_named(brighter):
    assert brighter.state == "drifted"
    assert {"mean", "std", "contrast"} <= {signal.name for signal in brighter.moved}
    assert f"{len(brighter.moved)} of {len(brighter.signals)} signals moved" in brighter.reason


def test_every_kind_of_signal_is_measured(brighter):
    kinds = {signal.kind for signal in brighter.signals}
    assert kinds == {
        "image", "embedding", "score", "answer", "referral", "quality", "origin", "label_shift",
    }  # fmt: skip
    assert sum(share.current for share in brighter.label_shares) == pytest.approx(1)


def test_reference_and_window_are_named(brighter, reference):
    assert brighter.reference.bundle == reference.sha256
    assert brighter.reference.dataset_id == "d" * 64
    assert (brighter.reference.images, brighter.reference.groups) == (400, 400)
    assert brighter.reference.embedding_images == 266
    assert (brighter.window.images, brighter.window.distinct) == (150, 150)


@pytest.mark.parametrize("images", [0, 1, 49])
def test_a_window_with_too_few_images_is_insufficient_and_not_quiet(images, reference, params):
    drift = measured(reference, make_window(images, seed=2), params)
    assert drift.state == "insufficient"
    assert drift.signals == []
    assert drift.reason == f"{images} independent images in the window, 50 needed to judge"


def test_an_image_sent_again_and_again_does_not_make_a_window(reference, params):
    window = make_window(40, seed=2, gain=2.0)
    drift = measured(reference, pd.concat([window] * 10, ignore_index=True), params)
    assert drift.state == "insufficient"
    assert (drift.window.images, drift.window.distinct) == (400, 40)
    assert drift.window.effective == pytest.approx(40)


def test_the_same_window_gives_the_same_result_and_id(reference, params):
    window = make_window(60, seed=2)
    first, second = (measured(reference, window, params) for _ in range(2))
    assert first == second
    assert DriftResult.model_validate_json(first.model_dump_json()) == first


def test_the_order_in_which_images_come_does_not_matter(reference, params):
    window = make_window(120, seed=2, gain=1.1)
    shuffled = window.sample(frac=1, random_state=3).reset_index(drop=True)
    one, other = (measured(reference, rows, params) for rows in (window, shuffled))
    assert [s.p_value for s in one.signals] == [s.p_value for s in other.signals]
    assert [part.state for part in one.slices] == [part.state for part in other.slices]


def test_a_small_effect_in_a_large_window_is_significant_and_no_alarm(params):
    reference = make_reference(6000)
    drift = measured(reference, make_window(20_000, seed=2, gain=1.01), params)
    mean = next(signal for signal in drift.signals if signal.name == "mean")
    assert mean.adjusted_p_value < params.false_discovery_rate
    assert 0.01 < mean.effect < params.distance_floor
    assert drift.state == "quiet"


def test_windows_without_drift_seldom_alarm_though_patients_have_several_images(params):
    alarms = [
        measured(
            make_reference(300, seed=seed, per_patient=3),
            make_window(300, seed=100 + seed, per_patient=3),
            params,
        ).state
        for seed in range(15)
    ]
    assert alarms.count("drifted") <= 1


def test_taking_images_of_a_patient_as_independent_would_alarm(params):
    reference = make_reference(300, seed=3, per_patient=3)
    rows = reference.rows.assign(group=np.arange(300))
    independent = type(reference)(
        reference.bundle, reference.sha256, rows, reference.components, grouped=False
    )
    window = make_window(300, seed=103, per_patient=3)
    honest, naive = (measured(side, window, params) for side in (reference, independent))
    for one, other in zip(honest.signals, naive.signals, strict=True):
        if one.kind in ("image", "embedding"):
            assert one.p_value >= other.p_value
            assert one.reference_worth <= 300 == other.reference_worth or one.kind == "embedding"


def test_another_mix_of_labels_is_found_and_estimated(reference, params):
    drift = measured(reference, make_window(600, seed=5, mix=(0.2, 0.3, 0.5)), params)
    moved = {signal.name for signal in drift.moved}
    assert {"answer", "label_shift"} <= moved
    malignant = drift.label_shift.prevalence[2].current
    assert malignant.lower < 0.5 < malignant.upper
    assert drift.label_shift.prevalence[2].reference < 0.3


def test_another_mix_of_sites_is_found(reference, params):
    sites = {"north": 0.1, "south": 0.1, "harbour": 0.8}
    drift = measured(reference, make_window(300, seed=6, sites=sites), params)
    assert [signal.name for signal in drift.moved] == ["site"]


def test_a_site_the_reference_does_not_know_is_named_as_insufficient(reference, params):
    window = make_window(300, seed=6, sites={"north": 0.7, "island": 0.3})
    drift = measured(reference, window, params)
    island = next(part for part in drift.slices if part.value == "island")
    assert island.state == "insufficient"
    assert island.reason == "0 images in the reference, 50 needed"
    assert "site" in {signal.name for signal in drift.moved}


def test_drift_at_one_site_alone_alarms_and_says_where(reference, params):
    window = make_window(900, seed=7)
    at_harbour = (window["site"] == "harbour").to_numpy()
    brighter = make_window(900, seed=8, gain=1.3)
    mixed = pd.concat([window[~at_harbour], brighter[at_harbour].assign(site="harbour")])
    drift = measured(reference, mixed.reset_index(drop=True), params)
    states = {part.value: part.state for part in drift.slices}
    assert states["harbour"] == "drifted"
    assert states["north"] == "quiet"
    assert "site harbour" in drift.reason


def test_a_slice_with_few_images_in_the_window_is_insufficient(reference, params):
    drift = measured(reference, make_window(120, seed=9), params)
    harbour = next(part for part in drift.slices if part.value == "harbour")
    assert (harbour.state, harbour.tested) == ("insufficient", 0)
    assert harbour.reference_images > 50
    assert "in the window, 50 needed" in harbour.reason


def test_clients_that_invent_sites_do_not_fill_the_report(reference, params):
    window = make_window(200, seed=10)
    window["site"] = [f"made up {number}" for number in range(200)]
    slices = measured(reference, window, params).slices
    assert sum(part.value.startswith("made up") for part in slices) == 50


def test_a_window_that_names_no_sites_is_not_judged_by_them(reference, params):
    drift = measured(reference, make_window(200, seed=11).assign(site=None), params)
    assert "site" not in {signal.name for signal in drift.signals}
    assert drift.state == "quiet"


def test_referrals_and_rejects_are_told_as_shares(reference, params):
    window = make_window(400, seed=12)
    window["action"] = "refer"
    window.loc[:99, "quality"] = "rejected"
    drift = measured(reference, window, params)
    by_name = {signal.name: signal for signal in drift.signals}
    assert by_name["action"].current == 1.0
    assert by_name["action"].drifted
    assert by_name["quality"].current >= 0.25
    assert by_name["quality"].drifted


def test_exemplars_are_images_of_the_window_that_show_what_moved(reference, params):
    window = make_window(300, seed=13)
    odd = make_window(100, seed=14, gain=1.6)
    drift = measured(reference, pd.concat([window, odd], ignore_index=True), params)
    assert len(drift.exemplars) == params.exemplars
    assert {item.image_id for item in drift.exemplars} <= set(odd["image_id"])
    moved = {signal.name for signal in drift.moved}
    assert all(set(item.signals) <= moved for item in drift.exemplars)
