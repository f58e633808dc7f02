"""Scheduled retraining goes on from the model in production, and says so where it cannot."""

import logging

import pytest

from ml.journey.results import Cause
from ml.journey.run import Run, tracker_of
from ml.journey.train import start_run, train_member
from ml.params import Params
from ml.settings import load_settings
from tests.e2e.conftest import SMALL, Journey

pytestmark = pytest.mark.slow
DRIFT = Cause(reason="2 windows drifted", trigger="drift", report_ids=["week-1", "week-2"])
SCHEDULED = Cause(reason="on schedule", trigger="schedule")


def params(*overrides: str) -> Params:
    return load_settings().params([*SMALL, *overrides])


def test_a_warm_run_takes_the_incumbents_weights_and_the_warm_recipe(journey: Journey) -> None:
    wanted = params(
        "training.warm_start.head_epochs=2",
        "training.warm_start.epochs=1",
        "training.warm_start.learning_rate_factor=0.1",
    )
    info = start_run(journey.workspace, wanted, None, "warm", DRIFT, warm_start=True)
    training = Run.open(journey.workspace, "warm").params.training
    assert info.initialisation == training.initialisation == "champion"
    assert info.incumbent_run_key == journey.summary["run_key"]
    assert training.epochs == 1
    assert training.learning_rate == pytest.approx(wanted.training.learning_rate * 0.1)
    tags = tracker_of(journey.workspace).client.get_run(info.mlflow_run_id).data.tags
    assert tags["vigie.reason"] == "2 windows drifted"
    assert (tags["vigie.trigger"], tags["vigie.reports"]) == ("drift", "week-1, week-2")
    lines: list[str] = []
    result = train_member(journey.workspace, "warm", "cnn", on_epoch=lines.append)
    assert result.initialisation == "champion"
    assert "left, then fine-tuning" in lines[0]


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ('training.members=["cnn", "mobilenetv2"]', "mobilenetv2 (it has no such member)"),
        ("image.size=48", "cnn (of another input or other labels)"),
    ],
)
def test_where_the_incumbent_does_not_fit_all_start_as_the_parameters_say(
    journey: Journey, caplog: pytest.LogCaptureFixture, override: str, why: str
) -> None:
    caplog.set_level(logging.WARNING)
    key = f"cold-{len(why)}"
    info = start_run(journey.workspace, params(override), None, key, SCHEDULED, warm_start=True)
    assert info.initialisation == "random"
    assert why in caplog.text


def test_a_run_by_hand_starts_as_the_parameters_say(journey: Journey) -> None:
    info = start_run(journey.workspace, params(), None, "by-hand", Cause(reason="by hand"))
    assert info.initialisation == "random"
