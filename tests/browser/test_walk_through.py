"""A model's way into production and out of it, as a person walks it in a browser.

On the whole stack, as `vigie up` starts it: Airflow's scheduler trains, its own pages lead to the
model board, the registry and the server follow. `--screenshots DIR` keeps pictures.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ml.journey.promote import promote
from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.settings import PROJECT_ROOT, Settings
from ml.stack.airflow_client import AirflowClient
from ml.stack.config import StackConfig
from ml.stack.questions import wait_for_model
from ml.stack.welcome import login
from tests.browser.test_board import decide, shown
from tests.e2e.conftest import SMALL, vigie
from tests.e2e.hospital import deliver, draw
from tests.fakes.judged_runs import judged_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
OVERRIDES = [
    *SMALL,
    "evaluation.paper_members=[]",
    "gates.accuracy_margin=1.0",
    "gates.accuracy_floor=0.0",
]
IMAGES = 240
PATIENCE = 600


@dataclass(frozen=True)
class Stack:
    """Everything that `vigie up` started."""

    config: StackConfig
    environment: dict[str, str]
    airflow: AirflowClient
    dataset_id: str

    def vigie(self, *arguments: str) -> str:
        ran = vigie(self.environment, *arguments)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def train(self, name: str, reason: str, *overrides: str) -> None:
        conf = {"reason": reason, "dataset_id": self.dataset_id}
        conf |= {"overrides": [*OVERRIDES, *overrides]}
        self.airflow.trigger("vigie_train", name, conf)

    def answers_with(self, version: str) -> None:
        wait_for_model(self.config.server_url, version, seconds=60)

    def state(self, name: str, task: str) -> str:
        found = self.airflow.tasks("vigie_train", name)
        failed = [item.task_id for item in found if item.state == "failed"]
        assert not failed, failed
        return next((item.state for item in found if item.task_id == task), "")

    def wait_for(self, name: str, task: str, *states: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.state(name, task) not in states:
            assert time.monotonic() < deadline, f"{task} of {name} is not {states}"
            time.sleep(0.5)


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack, a dataset to train on, and version 1 in production."""
    folder = tmp_path_factory.mktemp("walk")
    home = folder / "var"
    airflow_port, mlflow_port, server_port = free_ports(3)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VIGIE_", "MLFLOW_", "AIRFLOW"))
    } | {
        "VIGIE_HOME": str(home),
        "VIGIE_AIRFLOW_PORT": str(airflow_port),
        "VIGIE_MLFLOW_PORT": str(mlflow_port),
        "VIGIE_PORT": str(server_port),
        "VIGIE_ENGINE": "onnxruntime",
        "COLUMNS": "200",
    }
    config = StackConfig.from_settings(
        Settings(
            home=home, airflow_port=airflow_port, mlflow_port=mlflow_port, port=server_port
        )
    )  # fmt: skip
    params = load_params(PROJECT_ROOT / "params.toml", overrides=OVERRIDES)
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    images = draw(folder / "images", IMAGES, 1)
    dataset_id = deliver(workspace, params, images)
    judged_run(workspace, "first", reason="the first model", dataset_id=dataset_id)
    promote(workspace, "first", actor="pipeline", reason="the first model")
    try:
        started = vigie(environment, "up")
        assert started.returncode == 0, started.stdout + started.stderr
        with AirflowClient(config.airflow_url, *login(config)) as airflow:
            stack = Stack(config, environment, airflow, dataset_id)
            airflow.wait_until_parsed("vigie_train", seconds=PATIENCE)
            airflow.unpause("vigie_train")
            stack.answers_with("1")
            yield stack
    finally:
        vigie(environment, "down")


@pytest.fixture
def page(browser: "Browser", stack: Stack) -> Iterator["Page"]:
    """Airflow's login page, before anybody signed in."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(stack.config.airflow_url)
    yield page
    context.close()


def sign_in(page: "Page", config: StackConfig) -> None:
    user, password = login(config)
    page.locator("input").first.fill(user)
    page.locator("input[type=password]").fill(password)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Browse").wait_for()


def open_board(page: "Page") -> "Page":
    """The model board, as Airflow's own navigation leads there."""
    page.get_by_role("button", name="Browse").click()
    with page.context.expect_page() as opened:
        page.get_by_role("menuitem", name="Model board").click()
    board = opened.value
    board.get_by_role("heading", name="Model board").wait_for()
    return board


# Some minutes on two cores; more beside other work.
@pytest.mark.timeout(1200)
def test_a_model_is_approved_answers_and_is_rolled_back(
    page: "Page", stack: Stack, picture: Callable[..., None]
) -> None:
    stack.train("second", "more epochs were asked for", "gates.approval=always")
    picture("login", page)
    sign_in(page, stack.config)
    picture("home", page)
    page.goto(f"{stack.config.airflow_url}/dags/vigie_train/runs/second")
    stack.wait_for("second", "ask", "awaiting_input", "deferred")

    board = open_board(page)
    waiting = shown(board)
    picture("board", board, full_page=True)
    assert (waiting["In production"], waiting["Challenger"]) == ("version 1", "version 2")
    assert waiting["Server answers with"] == "version 1"
    side = board.get_by_role("region", name="Side by side")
    assert "waits for a person" in side.inner_text()
    assert "critical sensitivity" in board.get_by_role("region", name="Gates of the").inner_text()

    decide(board, "Approve and promote", "even on all slices")
    picture("approved", board)
    stack.answers_with("2")
    board.reload()
    assert shown(board)["Server answers with"] == "version 2"
    stack.wait_for("second", "promote", "success")

    decide(board, "Roll back", "too many referrals")
    picture("rolled-back", board)
    stack.answers_with("1")
    board.reload()
    told = shown(board)
    assert (told["In production"], told["Server answers with"]) == ("version 1", "version 1")
    lines = board.get_by_role("region", name="Newest lines of the ledger")
    picture("ledger", lines)
    kept = stack.vigie("ledger")
    assert "chain intact" in kept
    for act, reason in (
        ("approve", "even on all slices"),
        ("promote", "even on all slices"),
        ("rollback", "too many referrals"),
    ):
        assert act in lines.inner_text()
        assert reason in lines.inner_text()
        assert any(act in line and reason in line for line in kept.splitlines()), act
