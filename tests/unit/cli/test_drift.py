import json

import pytest
from typer.testing import CliRunner

from ml.cli import app
from ml.contract.errors import NotFound
from tests.unit.monitoring.conftest import report


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command, with a home of its own."""
    monkeypatch.setenv("VIGIE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments):
        result = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
        if isinstance(result.exception, Exception):
            raise result.exception
        return result

    return run


def test_the_trend_is_drawn_from_the_reports_so_far(run, tmp_path):
    folder = tmp_path / "home" / "reports" / "drift"
    for week, state in enumerate(("quiet", "drifted")):
        whole = report(state, week)
        (folder / whole.drift.report_id).mkdir(parents=True)
        (folder / whole.drift.report_id / "report.json").write_text(whole.model_dump_json())
    assert "2 reports of a year" in run("drift", "--trend").stdout
    told = json.loads(run("--json", "drift", "--trend").stdout)
    assert [period["state"] for period in told["periods"]] == ["quiet", "drifted"]
    assert told["page"] == str(folder / "trend.html")
    assert (folder / "trend.html").is_file()


def test_without_a_report_there_is_no_trend(run):
    with pytest.raises(NotFound, match="no drift report yet"):
        run("drift", "--trend")
