import pytest

from ml.evaluation.results import Interval
from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from ml.telemetry.monitor import MonitorNumbers
from tests.unit.monitoring.conftest import END, report
from tests.unit.monitoring.test_summary import signal
from tests.unit.telemetry.samples import samples

PARAMS = load_params(PROJECT_ROOT / "params.toml")


@pytest.fixture
def workspace(tmp_path):
    return Workspace.at(tmp_path, expectations=PROJECT_ROOT / "expectations")


@pytest.fixture
def keep(workspace):
    def keep(whole):
        folder = workspace.drift_reports / whole.drift.report_id
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(whole.model_dump_json())

    return keep


def read(workspace):
    return samples(MonitorNumbers(workspace, lambda: PARAMS).read())


def test_before_the_first_report_there_are_floors_alone(workspace):
    assert read(workspace) == {
        "vigie_performance_floor/accuracy": PARAMS.monitoring.accuracy_floor,
        "vigie_performance_floor/critical_sensitivity": (
            PARAMS.monitoring.critical_sensitivity_floor
        ),
    }


def test_the_newest_window_is_shown_whenever_its_report_was_written(workspace, keep):
    sensitivity = Interval(estimate=0.8, lower=0.7, upper=0.9, n=90)
    newest = report("drifted", 2, measured={"critical_sensitivity": sensitivity})
    moved = newest.drift.model_copy(update={"signals": [signal("contrast", drifted=True)]})
    keep(newest.model_copy(update={"drift": moved}))
    keep(report("quiet", 0))
    found = read(workspace)
    assert (found["vigie_drift_state/drifted"], found["vigie_drift_state/quiet"]) == (1, 0)
    assert found["vigie_drift_reports/drifted"] == found["vigie_drift_reports/quiet"] == 1
    assert found["vigie_drift_window_end_timestamp_seconds"] > END.timestamp()
    assert found["vigie_drift_signal_effect/contrast/image"] == 0.5
    assert found["vigie_drift_signal_floor/contrast/image"] == 0.1
    assert found["vigie_drift_signal_moved/contrast/image"] == 1
    assert found["vigie_performance/critical_sensitivity/measured/upper"] == 0.9
    assert "vigie_performance/accuracy/estimated/upper" not in found


def test_reports_of_another_release_are_left_out(workspace, keep):
    keep(report("quiet", 0))
    other = workspace.drift_reports / "other"
    other.mkdir()
    (other / "report.json").write_text('{"schema": 99}')
    assert read(workspace)["vigie_drift_state/quiet"] == 1


def test_no_site_or_scanner_is_named(workspace, keep):
    whole = report("quiet", 0)
    keep(whole)
    assert read(workspace)["vigie_drift_slices/site/quiet"] == 0
