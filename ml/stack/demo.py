"""The demo: phantom images travel the whole journey through the real scheduler and server."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from ml.contract.errors import Unavailable
from ml.data.results import CohortSummary
from ml.settings import Settings
from ml.stack import lifecycle
from ml.stack.airflow_client import AirflowClient
from ml.stack.board import Board
from ml.stack.config import StackConfig
from ml.stack.delivery import deliver_cohort
from ml.stack.demo_summary import DemoSummary, show
from ml.stack.errors import DemoFailed
from ml.stack.follow import FinishedRun, follow
from ml.stack.ports import require_free_ports
from ml.stack.questions import Answer, ask, choose_questions, wait_for_model
from ml.stack.welcome import addresses, login

_PROFILE = "demo"
_QUESTIONS = 80
# It would train a member once more for a number that decides nothing.
_NO_PAPER_SPLIT = "evaluation.paper_members=[]"
_PARSED_WITHIN = 90.0
_SWAPPED_WITHIN = 90.0
_LOGGED_WITHIN = 30.0


@dataclass(slots=True)
class _Demo:
    """What the steps of one demo share."""

    settings: Settings
    config: StackConfig
    airflow: AirflowClient
    console: Console
    patience: float
    name: str
    seconds: dict[str, float]
    asked_since: datetime = field(default_factory=lambda: datetime.now(UTC))


def run_demo(
    settings: Settings,
    *,
    images: int = 2600,
    patience: float = 900.0,
    console: Console | None = None,
) -> DemoSummary:
    """Run the demo, write `summary.json`, print what happened; the stack goes on running.

    Args:
        images: good images in the first phantom cohort; later demos add a tenth of that.
        patience: seconds for which a DAG run may stand still.

    Raises:
        DemoFailed: no model is in production and answers, or a DAG run failed.
    """
    console = console or Console()
    began = time.monotonic()
    profile = settings.profile or _PROFILE
    config = replace(StackConfig.from_settings(settings), profile=profile)
    seconds = _start(settings, config, console, images)
    user, password = login(config)
    with AirflowClient(config.airflow_url, user, password) as airflow:
        name = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        demo = _Demo(settings, config, airflow, console, patience, name, seconds)
        ingested = _run(demo, "vigie_ingest", {"profile": profile})
        trained = _run(
            demo,
            "vigie_train",
            {"profile": profile, "reason": "demo", "overrides": [_NO_PAPER_SPLIT]},
        )
        model, answers = _question(demo, trained)
        monitored = _run(demo, "vigie_monitor", {"profile": profile})
        demo.seconds["total"] = round(time.monotonic() - began, 1)
        summary = _summarise(demo, ingested, trained, monitored, model, answers)
    summary.write(config.home / "demo" / "summary.json")
    show(console, summary)
    console.print(addresses(config))
    return summary


def _start(
    settings: Settings, config: StackConfig, console: Console, images: int
) -> dict[str, float]:
    """Start the stack while the phantoms are drawn; returns seconds of both."""
    if not lifecycle.status(config).is_running:
        require_free_ports(config)  # a taken port is told before minutes of drawing
    landing = settings.workspace.landing
    if not isinstance(landing, Path):
        raise DemoFailed(
            "The demo delivers phantoms into a folder.", remedy="Unset VIGIE_LANDING_ZONE for it."
        )
    with Board("Starting the stack", console) as board, ThreadPoolExecutor(1) as painter:
        began = time.monotonic()
        board.set("phantom images", "running")
        drawing: Future[CohortSummary] = painter.submit(
            deliver_cohort,
            landing,
            images=images,
            on_progress=lambda done: board.set("phantom images", "running", note=str(done)),
        )
        lifecycle.up(config, on_state=board.set)
        stack_seconds = round(time.monotonic() - began, 1)
        drawn = drawing.result()
        board.set("phantom images", "ready", note=f"{drawn.files} files")
        return {"stack": stack_seconds, "phantoms": board.seconds()["phantom images"]}


def _run(demo: _Demo, dag_id: str, conf: dict[str, Any]) -> FinishedRun:
    with _timed(demo, dag_id), Board(dag_id, demo.console) as board:
        demo.airflow.wait_until_parsed(dag_id, seconds=_PARSED_WITHIN)
        demo.airflow.unpause(dag_id)
        demo.airflow.trigger(dag_id, demo.name, conf)
        run = follow(demo.airflow, dag_id, demo.name, board, patience=demo.patience)
    demo.seconds |= {f"{dag_id}.{task}": took for task, took in run.seconds().items()}
    return run


def _question(demo: _Demo, trained: FinishedRun) -> tuple[dict[str, Any], list[Answer]]:
    """Wait until the server answers with production's version, then ask about the test split."""
    production = _production_version(demo, trained)
    dataset_id = demo.airflow.result("vigie_train", trained.run_id, "register")["dataset_id"]
    with _timed(demo, "server"), Board("The server", demo.console) as board:
        board.set("model", "starting", note=f"version {production}")
        model = wait_for_model(demo.config.server_url, production, seconds=_SWAPPED_WITHIN)
        board.set("model", "ready", note=f"version {production}")
        questions = choose_questions(
            demo.settings.workspace, dataset_id, count=_QUESTIONS, seed=int(time.time())
        )
        board.set("answers", "running")
        answers = ask(
            demo.config.server_url,
            questions,
            lambda done: board.set("answers", "running", note=f"{done} of {len(questions)}"),
        )
        _wait_until_logged(demo, answers)
        board.set("answers", "ready", note=f"{len(answers)} of {len(questions)}")
    return model, answers


def _production_version(demo: _Demo, trained: FinishedRun) -> str:
    """What the registry's alias says, asked of the MLflow server.

    Raises:
        DemoFailed: nothing is in production, with the gates' reasons.
    """
    from ml.journey.promote import aliases

    workspace = replace(demo.settings.workspace, tracking_uri=demo.config.mlflow_url)
    version = aliases(workspace).get("production")
    if version is None:
        decision = demo.airflow.result("vigie_train", trained.run_id, "gate")
        raise DemoFailed("The model was refused.", reasons=decision["reasons"])
    return version.version


def _wait_until_logged(demo: _Demo, answers: list[Answer]) -> None:
    """Drift is measured on the database, which the server's log reaches a moment later."""
    from ml.store.database import open_database
    from ml.store.predictions import count_predictions

    database = open_database(demo.settings.workspace.database_url)
    deadline = time.monotonic() + _LOGGED_WITHIN
    while count_predictions(database, since=demo.asked_since) < len(answers):
        if time.monotonic() > deadline:
            raise Unavailable(
                f"Not all answers reached the database within {_LOGGED_WITHIN:.0f} s.",
                remedy="See logs/server.log.",
            )
        time.sleep(0.5)


def _summarise(
    demo: _Demo,
    ingested: FinishedRun,
    trained: FinishedRun,
    monitored: FinishedRun,
    model: dict[str, Any],
    answers: list[Answer],
) -> DemoSummary:
    critical = demo.settings.params([f"profile={demo.config.profile}"]).data.critical_label
    found = [item.body for item in answers if item.truth == critical and item.is_right]
    if not found:
        raise DemoFailed(f"Production answered no {critical} phantom with {critical}.")
    registered = demo.airflow.result("vigie_train", trained.run_id, "register")
    drift = demo.airflow.result("vigie_monitor", monitored.run_id, "watch")
    return DemoSummary(
        dataset_id=registered["dataset_id"],
        model_version=str(model["version"]),
        bundle_sha256=model["bundle"],
        metrics=demo.airflow.result("vigie_train", trained.run_id, "evaluate"),
        gate=demo.airflow.result("vigie_train", trained.run_id, "gate"),
        promoted=trained.succeeded("promote"),
        prediction=found[0],
        answers={
            "asked": len(answers),
            "right": sum(item.is_right for item in answers),
            "referred": sum(item.is_referred for item in answers),
        },
        drift=drift,
        drift_report=drift["report"],
        ingest=demo.airflow.result("vigie_ingest", ingested.run_id, "validate"),
        runs={
            run.dag_id: {"run_id": run.run_id, "state": run.state}
            for run in (ingested, trained, monitored)
        },
        urls={
            "airflow": demo.config.airflow_url,
            "mlflow": demo.config.mlflow_url,
            "server": demo.config.server_url,
        },
        seconds=demo.seconds,
    )


@contextmanager
def _timed(demo: _Demo, stage: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    demo.seconds[stage] = round(time.monotonic() - began, 1)
