import pandas as pd
import pytest

from ml.contract.quality import STATISTIC_NAMES
from ml.monitoring.windows import WindowInvalid, frame_from_records, frame_from_reference
from tests.unit.monitoring.conftest import COMPONENTS, make_records, make_window, write_reference


def test_reference_and_window_have_the_same_columns(tmp_path):
    reference = frame_from_reference(write_reference(tmp_path, 40))
    window = make_window(10, seed=2)
    assert set(reference.columns) == set(window.columns)
    assert set(STATISTIC_NAMES) < set(window.columns)
    assert f"embedding_{COMPONENTS - 1}" in window
    assert {"p_normal", "p_benign", "p_malignant"} < set(window.columns)


def test_only_the_baseline_part_is_the_reference(tmp_path):
    reference = frame_from_reference(write_reference(tmp_path, 40))
    assert len(reference) == 40
    assert reference["mean"].max() < 500


def test_the_reference_answers_are_the_predictions_and_not_the_truth(tmp_path):
    reference = frame_from_reference(write_reference(tmp_path, 40))
    assert reference["label"].tolist() == make_window(40, seed=1)["label"].tolist()


def test_frames_carry_nothing_that_identifies_an_image_or_a_patient(tmp_path):
    for frame in (make_window(5, seed=0), frame_from_reference(write_reference(tmp_path, 40))):
        assert not {"image_id", "request_id", "patient", "site"} & set(frame.columns)


def test_answers_of_two_models_are_not_mixed():
    records = [*make_records(3, seed=0), *make_records(3, seed=0, version="4")]
    with pytest.raises(WindowInvalid, match="several models"):
        frame_from_records(records)


def test_a_reference_without_a_baseline_is_refused(tmp_path):
    folder = write_reference(tmp_path, 4)
    rows = pd.read_parquet(folder / "reference.parquet")
    rows[rows["role"] == "projection"].to_parquet(folder / "reference.parquet")
    with pytest.raises(WindowInvalid, match="no baseline"):
        frame_from_reference(folder)


def test_no_records_make_an_empty_window():
    assert frame_from_records([]).empty
