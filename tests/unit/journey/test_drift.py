"""One look at production, through a real registry and database."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ml.contract.bundle import bundle_sha256
from ml.contract.decision import decide
from ml.contract.errors import NotFound
from ml.contract.preprocessing import to_grid, to_input
from ml.contract.quality import measure
from ml.contract.records import FeedbackRecord, PredictionRecord
from ml.contract.session import ModelSession
from ml.journey.drift import watch, watch_on
from ml.journey.retrain import decide as decide_retraining
from ml.journey.run import database_of, tracker_of
from ml.journey.trend import trend_page, write_trend
from ml.journey.watched import drift_history, watch_history
from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.registry.models import PRODUCTION, point_alias, register_bundle, remove_alias
from ml.settings import PROJECT_ROOT
from ml.store.feedback import insert_feedback
from ml.store.ledger import append
from ml.store.predictions import insert_predictions
from tests.fakes.tiny_bundle import LABELS, tiny_pixels, write_tiny_bundle

PARAMS = load_params(PROJECT_ROOT / "params.toml")
END = datetime(2026, 11, 16, 6, tzinfo=UTC)
LATER = END + timedelta(days=7)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    """A home with the tiny model in production; making MLflow's tables takes seconds."""
    home = tmp_path_factory.mktemp("installed") / "home"
    tracker = tracker_of(Workspace.at(home, expectations=PROJECT_ROOT / "expectations"))
    register_bundle(tracker, tracker.open_run("t", "tiny", name="tiny"), bundle, "tiny-1")
    point_alias(tracker, PRODUCTION, "1")
    tracker.open_run("vigie-monitor", "warm-up", name="warm-up")
    return home


@pytest.fixture
def workspace(tmp_path: Path, installed: Path) -> Workspace:
    shutil.copytree(installed, tmp_path / "home")
    return Workspace.at(tmp_path / "home", expectations=PROJECT_ROOT / "expectations")


@pytest.fixture(scope="module")
def answers(bundle: Path):
    """Answers of the model to images of the reference's kind, or to `brighter` ones."""
    session = ModelSession.open(bundle)
    policy, spec, sha256 = session.bundle.policy, session.bundle.input, bundle_sha256(bundle)

    def answer(n: int, *, end: datetime, brighter: int = 0) -> list[PredictionRecord]:
        rng = np.random.default_rng(n + brighter + end.day)
        records = []
        for number in range(n):
            pixels = tiny_pixels(int(rng.integers(30, 226 - brighter)) + brighter, seed=number)
            outputs = session.run(to_input(to_grid(pixels, spec))[np.newaxis])
            statistics = measure(pixels)
            probabilities, embedding = outputs.probabilities[0], outputs.embedding[0]
            decision = decide(probabilities, embedding, statistics, LABELS, policy)
            records.append(
                PredictionRecord(
                    request_id=f"{end:%m%d}-{number}",
                    at=end - timedelta(days=7) + timedelta(minutes=10 * number),
                    channel="predict",
                    image_id=f"{int(rng.integers(1 << 60)):064x}",
                    model={"name": "vigie", "version": "1", "bundle": sha256},
                    label=decision.label,
                    action=decision.action,
                    reasons=decision.reasons,
                    probabilities=dict(zip(LABELS, map(float, probabilities), strict=True)),
                    embedding=[float(value) for value in embedding],
                    statistics=statistics,
                    total_ms=5.0,
                )
            )
        return records

    return answer


def label(workspace: Workspace, records, *, at: datetime, wrong: bool = False) -> None:
    other = dict(zip(LABELS, (*LABELS[1:], LABELS[0]), strict=True))
    insert_feedback(
        database_of(workspace),
        [
            FeedbackRecord(
                feedback_id=f"f-{record.request_id}",
                request_id=record.request_id,
                at=at,
                label=other[record.label] if wrong else record.label,
                author="reader 1",
            )
            for record in records
        ],
    )


def test_nothing_in_production_cannot_be_watched(workspace) -> None:
    remove_alias(tracker_of(workspace), PRODUCTION, "1", "nothing")
    with pytest.raises(NotFound, match="Nothing is in production"):
        watch(workspace, PARAMS)


def test_usual_images_are_quiet_and_the_report_is_kept(workspace, answers, caplog) -> None:
    insert_predictions(database_of(workspace), answers(120, end=END))
    report = watch(workspace, PARAMS, until=END)
    assert report.drift.state == "quiet"
    assert report.drift.window.images == 120
    assert report.performance.estimated.state == "ok"
    assert report.performance.measured.state == "insufficient"
    assert drift_history(workspace) == [report.drift]
    run = tracker_of(workspace).client.search_runs(
        [tracker_of(workspace).client.get_experiment_by_name("vigie-monitor").experiment_id]
    )[0]
    assert run.data.tags["vigie.drift"] == "quiet"
    assert run.data.metrics["images"] == 120
    assert "estimated.accuracy.lower" in run.data.metrics


def test_answers_of_other_times_and_other_bundles_are_not_in_the_window(workspace, answers) -> None:
    early = answers(60, end=END)
    foreign = [
        record.model_copy(
            update={
                "request_id": f"foreign-{record.request_id}",
                "model": record.model.model_copy(update={"bundle": "ab" * 32}),
            }
        )
        for record in answers(60, end=LATER)
    ]
    insert_predictions(database_of(workspace), [*early, *foreign])
    assert watch(workspace, PARAMS, until=LATER).drift.state == "insufficient"


def test_drift_for_long_enough_asks_for_a_model_once(workspace, answers) -> None:
    database = database_of(workspace)
    for end in (END, LATER):
        insert_predictions(database, answers(120, end=end, brighter=100))
        report = watch(workspace, PARAMS, until=end)
        assert report.drift.state == "drifted"
        assert report.performance.estimated.doubts
        decision = decide_retraining(workspace, PARAMS, now=end)
    assert decision.retrain
    assert decision.trigger == "drift"
    assert len(decision.reasons[0].report_ids) == 2
    assert decide_retraining(workspace, PARAMS, now=end + timedelta(days=30)) == decision
    watch(workspace, PARAMS, until=LATER + timedelta(hours=1))
    again = decide_retraining(workspace, PARAMS, now=LATER + timedelta(hours=1))
    assert not again.retrain
    assert "1 of the last 2 windows drifted" in again.reason


def test_weeks_that_nobody_looked_at_are_made_up_for(workspace, answers) -> None:
    ends = [END + timedelta(weeks=week) for week in range(5)]
    for end in ends:
        insert_predictions(database_of(workspace), answers(60, end=end))
    watch_on(workspace, PARAMS, until=ends[0])
    assert watch_on(workspace, PARAMS, until=ends[4]).drift.window.end == ends[4]
    seen = [report.drift.window.end for report in watch_history(workspace)]
    assert seen == [ends[0], *ends[2:]]  # a decision looks at three
    assert all(report.drift.window.images == 60 for report in watch_history(workspace))
    late = ends[4] + timedelta(hours=5)
    watch_on(workspace, PARAMS, until=late)
    assert len(watch_history(workspace)) == len(seen) + 1


def test_weeks_before_the_version_in_production_are_not_made_up_for(workspace, answers) -> None:
    insert_predictions(database_of(workspace), answers(60, end=END))
    watch_on(workspace, PARAMS, until=END)
    promoted(workspace, "1", "cd" * 32, at=END + timedelta(days=18))
    watch_on(workspace, PARAMS, until=END + timedelta(days=28))
    assert [report.drift.window.end for report in watch_history(workspace)] == [
        END, END + timedelta(days=21), END + timedelta(days=28),
    ]  # fmt: skip


def test_the_summary_tells_the_decision_once_it_is_made_here_and_in_mlflow(
    workspace, answers
) -> None:
    insert_predictions(database_of(workspace), answers(120, end=END))
    folder = workspace.drift_reports / watch(workspace, PARAMS, until=END).drift.report_id
    assert "No new model is asked for." in (folder / "summary.html").read_text()
    one = PARAMS.model_copy(
        update={"monitoring": PARAMS.monitoring.model_copy(update={"violations": 1})}
    )
    insert_predictions(database_of(workspace), answers(120, end=LATER, brighter=100))
    folder = workspace.drift_reports / watch(workspace, one, until=LATER).drift.report_id
    assert "A new model is due" in (folder / "summary.html").read_text()
    decision = decide_retraining(workspace, one, now=LATER)
    assert decision.report_id == folder.name
    told = f"A new model was asked for on {LATER:%Y-%m-%d %H:%M} UTC."
    assert told in (folder / "summary.html").read_text()
    client = tracker_of(workspace).client
    experiment = client.get_experiment_by_name("vigie-monitor").experiment_id
    run = client.search_runs([experiment], f"attributes.run_name = '{folder.name}'")[0]
    artifacts = Path(client.download_artifacts(run.info.run_id, "report"))
    assert told in (artifacts / "summary.html").read_text()
    assert (artifacts / "trend.html").is_file()


def test_the_trend_tells_of_all_reports_requests_and_promotions(workspace, answers) -> None:
    with pytest.raises(NotFound, match="no drift report yet"):
        write_trend(workspace, PARAMS)
    database = database_of(workspace)
    for end in (END, LATER):
        insert_predictions(database, answers(120, end=end, brighter=100))
        watch(workspace, PARAMS, until=end)
        decide_retraining(workspace, PARAMS, now=end)
    promoted(workspace, "2", "cd" * 32, at=LATER + timedelta(hours=3))
    trend = write_trend(workspace, PARAMS)
    assert [period.state for period in trend.periods] == ["drifted", "drifted"]
    assert [(mark.kind, mark.version) for mark in trend.marks] == [
        ("retrain", None), ("promote", "2"),
    ]  # fmt: skip
    assert "promoted version 2" in trend_page(workspace).read_text()


def test_a_year_ends_where_the_newest_window_does(workspace, answers) -> None:
    database = database_of(workspace)
    for end in (END, END + timedelta(days=400)):
        insert_predictions(database, answers(60, end=end))
        watch(workspace, PARAMS, until=end)
    assert len(write_trend(workspace, PARAMS).periods) == 1


def test_a_version_is_held_against_the_drift_that_its_predecessor_saw(
    workspace, answers, bundle
) -> None:
    database = database_of(workspace)
    drifted = answers(120, end=END, brighter=100)
    insert_predictions(database, drifted)
    label(workspace, drifted, at=END - timedelta(hours=1), wrong=True)
    first = watch(workspace, PARAMS, until=END)
    assert first.since is None
    sha256 = bundle_sha256(bundle)
    promoted(workspace, "1", sha256, at=END + timedelta(days=1), replaced="1")
    usual = answers(120, end=LATER)
    insert_predictions(database, usual)
    label(workspace, usual, at=LATER - timedelta(hours=1))
    found = watch(workspace, PARAMS, until=LATER).since
    assert found.during.report_id == first.drift.report_id
    assert (found.start.trigger, found.start.reason) == ("drift", "2 windows drifted")
    assert found.verdict == "removed"
    assert found.change.lower > 0


def promoted(workspace: Workspace, version: str, sha256: str, *, at: datetime, replaced="1"):
    append(
        database_of(workspace),
        actor="airflow:schedule",
        action="promote",
        subject=f"vigie/{version}",
        reason="2 windows drifted",
        evidence={"bundle_sha256": sha256, "replaced": replaced, "trigger": "drift"},
        at=at,
    )


def test_late_labels_measure_the_window_and_check_its_estimate(workspace, answers) -> None:
    records = answers(120, end=END)
    insert_predictions(database_of(workspace), records)
    first = watch(workspace, PARAMS, until=END)
    assert first.performance.checks == []
    label(workspace, records, at=END + timedelta(days=3))
    insert_predictions(database_of(workspace), answers(60, end=LATER))
    later = watch(workspace, PARAMS, until=LATER)
    checks = later.performance.checks
    assert {check.report_id for check in checks} == {first.drift.report_id}
    assert next(c for c in checks if c.metric == "accuracy").realised == 1.0
    assert later.performance.measured.labelled == 0
    again = watch(workspace, PARAMS, until=END)
    assert again.performance.measured.labelled == 120
    assert again.performance.measured.accuracy.estimate == 1.0
    assert again.performance.measured.label_delay_hours > 72


def test_labels_that_say_weeks_later_that_the_model_was_wrong_ask_for_another(
    workspace, answers
) -> None:
    records = answers(120, end=END)
    insert_predictions(database_of(workspace), records)
    watch(workspace, PARAMS, until=END)
    label(workspace, records, at=END + timedelta(days=3), wrong=True)
    insert_predictions(database_of(workspace), answers(60, end=LATER))
    found = watch(workspace, PARAMS, until=LATER)
    (late,) = found.performance.late
    assert (late.end, late.measured.labelled, late.measured.accuracy.estimate) == (END, 120, 0.0)
    decision = decide_retraining(workspace, PARAMS, now=LATER)
    assert decision.trigger == "performance"
    summary = workspace.drift_reports / found.drift.report_id / "summary.html"
    assert f"By the labels known now, the window to {END:%Y-%m-%d}" in summary.read_text()


def test_labels_that_say_the_model_is_wrong_ask_for_another(workspace, answers) -> None:
    records = answers(120, end=END)
    insert_predictions(database_of(workspace), records)
    label(workspace, records, at=END - timedelta(hours=1), wrong=True)
    watch(workspace, PARAMS, until=END)
    decision = decide_retraining(workspace, PARAMS, now=END)
    assert decision.trigger == "performance"
    assert decision.new_labels == 120


def test_a_report_of_another_release_is_left_out_with_a_warning(workspace, caplog) -> None:
    folder = workspace.drift_reports / "old"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text('{"drift": {"report_id": "old"}}')
    (folder / "retrain.json").write_text('{"retrain": true, "drifted_windows": []}')
    assert watch_history(workspace) == []
    assert not decide_retraining(workspace, PARAMS).retrain
    assert caplog.text.count("another release") >= 2
