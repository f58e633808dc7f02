import pytest

from ml.contract.quality import STATISTIC_NAMES
from ml.monitoring.drift import measure_drift
from ml.monitoring.results import DriftResult
from ml.monitoring.windows import WindowInvalid, frame_from_records
from tests.unit.monitoring.conftest import END, START, make_window


def measured(reference, current, params):
    return measure_drift(
        reference, current, params=params, model_version="3", window_start=START, window_end=END
    )


@pytest.fixture(scope="module")
def brighter(reference, params):
    return measured(reference, make_window(150, seed=2, gain=1.25), params)


@pytest.fixture
def image_reference(reference):
    """Image statistics and answers alone: fewer signals are measured sooner."""
    return reference[["label", *STATISTIC_NAMES]]


def test_a_window_like_the_reference_is_quiet(reference, params):
    drift = measured(reference, make_window(150, seed=2), params)
    assert drift.state == "quiet"
    assert drift.drifted_share < 0.1


def test_a_gain_shift_is_found_and_named(brighter):
    drift = brighter
    assert drift.state == "drifted"
    moved = {signal.name for signal in drift.signals if signal.drifted}
    assert {"mean", "std", "contrast"} <= moved
    assert f"{len(moved)} of {len(drift.signals)} signals moved" in drift.reason


def test_every_kind_of_signal_is_measured(brighter):
    kinds = [signal.kind for signal in brighter.signals]
    assert [kinds.count(kind) for kind in ("image", "embedding", "score", "answer")] == [7, 8, 3, 1]
    assert sum(share.current for share in brighter.label_shares) == pytest.approx(1)


@pytest.mark.parametrize("images", [0, 1, 49])
def test_a_window_with_too_few_images_is_insufficient_and_not_quiet(images, reference, params):
    current = make_window(images, seed=2) if images else frame_from_records([])
    drift = measured(reference, current, params)
    assert drift.state == "insufficient"
    assert drift.signals == []
    assert drift.reason == f"{images} images in the window, 50 needed to judge"


def test_the_same_window_gives_the_same_result_and_id(image_reference, params):
    window = make_window(60, seed=2)
    first, second = (measured(image_reference, window, params) for _ in range(2))
    assert first == second
    assert DriftResult.model_validate_json(first.model_dump_json()) == first


def test_large_windows_are_sampled(image_reference, params):
    small = params.model_copy(update={"max_window_images": 60})
    drift = measured(image_reference, make_window(200, seed=2), small)
    assert drift.images == 200
    assert drift.reference_images == 60


def test_a_window_without_a_column_of_the_reference_is_refused(reference, params):
    window = make_window(60, seed=2).drop(columns=["embedding_7"])
    with pytest.raises(WindowInvalid, match="embedding_7"):
        measured(reference, window, params)


@pytest.mark.parametrize(("statistic", "threshold"), [("ks", 0.05), ("wasserstein", 0.1)])
def test_other_statistics_tell_quiet_from_drifted_too(
    statistic, threshold, image_reference, params
):
    other = params.model_copy(update={"statistic": statistic, "drift_threshold": threshold})
    assert measured(image_reference, make_window(100, seed=2), other).state == "quiet"
    assert measured(image_reference, make_window(100, seed=2, gain=1.25), other).state == "drifted"
