import json
import re

import pytest

from ml.monitoring.drift import measure_drift
from ml.monitoring.performance import measure_performance
from ml.monitoring.report import write_report
from ml.monitoring.results import DriftResult
from tests.unit.monitoring.conftest import END, LABELS, START, make_records, make_window


@pytest.fixture(scope="module")
def written(tmp_path_factory, reference, params):
    """The report of a window with brighter images."""
    current = make_window(120, seed=2, gain=1.25)
    drift = measure_drift(
        reference, current, params=params, model_version="3", window_start=START, window_end=END
    )
    performance = measure_performance(
        make_records(120, seed=2, gain=1.25), [], critical_label="malignant", labels=LABELS
    )
    folder = tmp_path_factory.mktemp("drift") / drift.report_id
    return write_report(reference, current, drift, performance, folder, params=params), folder


def test_the_folder_holds_page_data_summary_and_result_only(written):
    _, folder = written
    assert sorted(file.name for file in folder.iterdir()) == [
        "drift.json", "report.html", "report.json", "summary.md",
    ]  # fmt: skip


def test_the_page_is_whole_and_under_5_mb(written):
    result, folder = written
    page = folder / "report.html"
    assert result.report == str(page)
    assert page.stat().st_size < 5_000_000
    assert "</html>" in page.read_text()[-200:]


def test_page_and_decision_agree_on_every_score(written):
    result, folder = written
    page = (folder / "report.html").read_text()
    for signal in result.signals:
        verdict, score = re.search(
            rf"Drift in column '{signal.name}'\", \"label\": \"Data drift (detected|not detected)"
            r"\. Drift detection method: PSI\. Drift score: ([\d.]+)",
            page,
        ).groups()
        assert (verdict == "detected") == signal.drifted
        assert float(score) == pytest.approx(signal.score, abs=6e-4)


def test_the_page_begins_with_what_was_found(written):
    result, folder = written
    page = (folder / "report.html").read_text()
    start = page.index("<body>")
    assert "no longer looks like" in page[start : start + 2000]
    assert result.reason[1:] in page[start : start + 3000]


def test_the_written_result_is_the_returned_one(written):
    result, folder = written
    assert DriftResult.model_validate_json((folder / "drift.json").read_bytes()) == result
    facts = json.loads((folder / "report.json").read_text())
    assert facts["drift"] == result.model_dump(mode="json")
    assert facts["performance"]["labelled"] == 0


def test_nothing_written_identifies_an_image(written):
    _, folder = written
    for file in folder.iterdir():
        text = file.read_text()
        assert "request-1" not in text
        assert f"{1:064x}" not in text


def test_an_unmeasured_window_still_leaves_a_page_that_says_why(tmp_path, reference, params):
    current = make_window(5, seed=2)
    drift = measure_drift(
        reference, current, params=params, model_version="3", window_start=START, window_end=END
    )
    write_report(reference, current, drift, None, tmp_path / "small", params=params)
    page = (tmp_path / "small" / "report.html").read_text()
    assert "5 images in the window, 50 needed to judge" in page
