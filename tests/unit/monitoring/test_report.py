import re

import pytest

from ml.monitoring.report import write_report
from ml.monitoring.results import WatchReport
from tests.unit.monitoring.conftest import make_window, measured, observed, performance

SIGNALS = 25


def write(reference, window, folder, params):
    drift = measured(reference, window, params)
    report = WatchReport(drift=drift, performance=performance())
    observation = observed(reference, window, params)
    return write_report(reference, observation, report, folder, params=params)


@pytest.fixture(scope="module")
def written(tmp_path_factory, reference, params):
    """The report of a window with brighter images."""
    folder = tmp_path_factory.mktemp("drift") / "report"
    return write(reference, make_window(400, seed=2, gain=1.25), folder, params), folder


def test_the_folder_holds_page_record_and_summary_only(written):
    _, folder = written
    assert sorted(file.name for file in folder.iterdir()) == [
        "report.html", "report.json", "summary.html", "summary.md",
    ]  # fmt: skip


def test_the_page_is_whole_and_under_5_mb(written):
    result, folder = written
    page = folder / "report.html"
    assert result.drift.report == str(page)
    assert page.stat().st_size < 5_000_000
    assert "</html>" in page.read_text()[-200:]


def test_page_and_record_agree_on_every_signal(written):
    result, folder = written
    page = (folder / "report.html").read_text()
    told = {
        name: (verdict, float(score))
        for name, verdict, score in re.findall(
            r"Drift in column '(\w+)'\", \"label\": \"Data drift (detected|not detected)"
            r"\. Drift detection method: distance, false discovery rate 1%\. "
            r"Drift score: ([\d.]+)",
            page,
        )
    }
    assert len(told) == SIGNALS - 1  # the mix of true labels is no column
    for signal in result.drift.signals:
        if signal.name in told:
            verdict, score = told[signal.name]
            assert (verdict == "detected") == signal.drifted
            assert score == pytest.approx(signal.effect, abs=6e-4)


def test_the_page_begins_with_what_was_found(written):
    result, folder = written
    page = (folder / "report.html").read_text()
    start = page.index("<body>")
    assert "no longer looks like" in page[start : start + 2000]
    assert result.drift.reason[1:] in page[start : start + 3000]


def test_the_sampling_is_told(reference, params, tmp_path):
    few = params.model_copy(update={"page_images": 100})
    result = write(reference, make_window(400, seed=2, gain=1.25), tmp_path / "few", few)
    drawn = result.drift.window.drawn
    assert 60 < drawn <= 100
    assert (
        f"they draw {drawn} of the window's 400 images"
        in (tmp_path / "few" / "report.html").read_text()
    )


def test_the_record_is_the_returned_one(written):
    result, folder = written
    assert WatchReport.model_validate_json((folder / "report.json").read_bytes()) == result


def test_images_are_named_by_their_exemplars_alone(written):
    result, folder = written
    named = {item.image_id for item in result.drift.exemplars}
    assert named
    for file in folder.iterdir():
        text = file.read_text()
        assert "request-" not in text
        assert set(re.findall(r"\b0{50,}[0-9a-f]+\b", text)) <= named


def test_an_unmeasured_window_still_leaves_a_page_that_says_why(tmp_path, reference, params):
    write(reference, make_window(5, seed=2), tmp_path / "small", params)
    page = (tmp_path / "small" / "report.html").read_text()
    assert "5 independent images in the window, 50 needed to judge" in page
