"""Where the project's errors meet Airflow."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.utils.types import DagRunType

from ml.contract.errors import (
    BatchHeld,
    BundleInvalid,
    DatasetTooSmall,
    InvalidParams,
    NothingToIngest,
    Unavailable,
)


def run_stage(body):
    from vigie_tasks import stage

    return stage()(body).function()


def raising(error):
    def body():
        raise error

    return body


def test_a_result_passes_through():
    assert run_stage(lambda: {"batch_id": "a"}) == {"batch_id": "a"}


@pytest.mark.parametrize(
    "error",
    [
        BatchHeld("Held.", reasons=["half of it is black"]),
        InvalidParams("Wrong."),
        BundleInvalid("Altered."),
        TypeError("a defect"),
    ],
)
def test_what_cannot_pass_by_itself_fails_at_once(error):
    with pytest.raises(AirflowFailException) as failed:
        run_stage(raising(error))

    assert str(error) in str(failed.value)
    assert failed.value.__cause__ is error


def test_the_reasons_of_a_refusal_are_logged(caplog):
    with pytest.raises(AirflowFailException):
        run_stage(raising(BatchHeld("Held.", reasons=["half of it is black"])))

    assert "half of it is black" in caplog.text


def test_an_empty_landing_zone_skips():
    with pytest.raises(AirflowSkipException, match="No new file"):
        run_stage(raising(NothingToIngest("No new file.")))


@pytest.mark.parametrize("error", [Unavailable("Silent."), ConnectionError("cut"), OSError(28)])
def test_what_may_pass_is_left_to_a_retry(error):
    with pytest.raises(type(error)) as raised:
        run_stage(raising(error))

    assert raised.value is error


def test_too_few_images_for_a_dataset_skip_and_say_how_many_are_missing():
    with pytest.raises(AirflowSkipException, match="malignant has 1 image"):
        run_stage(raising(DatasetTooSmall("malignant has 1 image; 4 are needed.")))


def test_a_skip_raised_on_purpose_stays_a_skip():
    with pytest.raises(AirflowSkipException):
        run_stage(raising(AirflowSkipException("quiet")))


@pytest.mark.parametrize(
    ("run_id", "key"),
    [
        ("manual__2026-11-22T19:40:05.12+00:00", "manual-2026-11-22T19-40-05-12-00-00"),
        ("demo-20261122-194005", "demo-20261122-194005"),
    ],
)
def test_a_run_is_named_after_its_dag_run(run_id, key):
    from airflow.sdk.execution_time.context import set_current_context
    from vigie_tasks import run_key

    with set_current_context({"run_id": run_id}):
        assert run_key() == key


def test_params_come_from_the_trigger(tmp_path):
    from airflow.sdk.execution_time.context import set_current_context
    from vigie_tasks import run_params

    from ml.settings import Settings

    chosen = {"profile": "demo", "overrides": ["training.epochs=3"]}
    with set_current_context({"params": chosen}):
        params = run_params(Settings(home=tmp_path))

    assert params.profile == "demo"
    assert params.training.epochs == 3


def test_the_plugin_links_to_where_tasks_leave_the_address():
    from vigie_plugin import VigiePlugin
    from vigie_tasks import DATA_DOCS_URL_KEY, MLFLOW_URL_KEY, REPORT_URL_KEY

    keys = [link.xcom_key for link in VigiePlugin.global_operator_extra_links]
    assert keys == [MLFLOW_URL_KEY, DATA_DOCS_URL_KEY, REPORT_URL_KEY]


@pytest.mark.parametrize(
    ("run_type", "warm"), [("manual", False), ("scheduled", True), ("asset_triggered", True)]
)
def test_what_nobody_started_by_hand_starts_from_the_incumbent(started, run_type, warm):
    assert started(run_type).warm_start is warm


@pytest.mark.parametrize("run_type", [DagRunType.SCHEDULED, "scheduled"])
def test_a_run_without_a_given_reason_is_told_by_what_started_it(started, run_type):
    cause = started(run_type).cause
    assert (cause.reason, cause.trigger) == ("scheduled run", "schedule")


def test_monitorings_typed_reason_goes_into_the_run(started):
    event = {"reason": "2 of the last 3 windows drifted", "trigger": "drift", "report_ids": ["r1"]}
    cause = started("asset_triggered", event).cause
    assert (cause.reason, cause.trigger) == ("2 of the last 3 windows drifted", "drift")
    assert cause.report_ids == ["r1"]


@pytest.fixture
def started(monkeypatch):
    """Runs the DAG's `start` and tells with what a training was started."""
    import vigie_train

    import ml.journey.train

    def start(run_type, *events):
        seen = SimpleNamespace()

        def start_run(_workspace, _params, _dataset, _key, cause, *, warm_start):
            seen.cause, seen.warm_start = cause, warm_start
            return SimpleNamespace(mlflow_url="", members=["cnn"])

        context = {
            "triggering_asset_events": {"asset": [SimpleNamespace(extra=e) for e in events]},
            "params": {"reason": "", "dataset_id": None},
            "dag_run": SimpleNamespace(run_type=run_type),
        }
        monkeypatch.setattr(ml.journey.train, "start_run", start_run)
        monkeypatch.setattr(vigie_train, "get_current_context", lambda: context)
        for name in ("run_params", "run_key", "link_to_mlflow"):
            monkeypatch.setattr(vigie_train, name, lambda *_: None)
        monkeypatch.setattr(vigie_train, "actor", lambda: "airflow:ada")
        assert vigie_train.start.function() == ["cnn"]
        return seen

    return start
