"""The model board as a person uses it: real Chromium, Airflow's own login, a real server."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from ml.journey.promote import promote
from ml.journey.run import database_of
from ml.journey.workspace import Workspace
from ml.settings import PROJECT_ROOT
from ml.store import ledger
from tests.fakes.judged_runs import judged_run
from tests.serving.server_process import ServerProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
_START_SECONDS = 120
_ROLLBACK_SECONDS = 10


@dataclass(frozen=True)
class Stack:
    """Where the board and the server are, and who may log in with which password."""

    workspace: Workspace
    airflow: str
    server: str
    passwords: dict[str, str]

    def answering(self) -> str:
        return str(httpx.get(f"{self.server}/model", timeout=30).json()["version"])


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Version 1 in production and answering, version 2 waiting for a person."""
    home = tmp_path_factory.mktemp("home")
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    first = judged_run(workspace, "weekly-18", reason="scheduled run")
    promote(workspace, "weekly-18", actor="pipeline", reason="scheduled run")
    judged_run(
        workspace, "weekly-19", incumbent=first, approval="always", reason="2 windows drifted"
    )
    serving = {
        "MLFLOW_TRACKING_URI": workspace.tracking_uri,
        "VIGIE_DATABASE_URL": workspace.database_url,
        "VIGIE_ENGINE": "onnxruntime",
    }
    with ServerProcess(home, environment=serving) as server:
        server.wait_until_ready()
        with _airflow(home, server.url) as (url, passwords):
            yield Stack(workspace, url, server.url, passwords)


@contextmanager
def _airflow(home: Path, server: str) -> Iterator[tuple[str, dict[str, str]]]:
    port, passwords = _free_port(), home / "airflow" / "passwords.json"
    passwords.parent.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "ada:admin,vera:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "VIGIE_HOME": str(home),
        "VIGIE_SERVER_URL": server,
    }
    with (home / "airflow.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.airflow_api", str(port)],
            env=environment,
            cwd=PROJECT_ROOT,
            stdout=log,
            stderr=log,
        )
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + _START_SECONDS
        while True:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{url}/api/v2/version", timeout=30).is_success:
                    break
            assert process.poll() is None, (home / "airflow.log").read_text()[-3000:]
            assert time.monotonic() < deadline, (home / "airflow.log").read_text()[-3000:]
            time.sleep(0.2)
        yield url, json.loads(passwords.read_text())
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def page(browser: "Browser", stack: Stack, request: pytest.FixtureRequest) -> Iterator["Page"]:
    """The board for who is logged in (ada, unless the test names another)."""
    user = getattr(request, "param", "ada")
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{stack.airflow}/auth/login")
    page.locator("input").first.fill(user)
    page.locator("input[type=password]").fill(stack.passwords[user])
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"^http://[^/]+/$"))
    complaints.clear()
    page.goto(f"{stack.airflow}/vigie/board")
    yield page
    context.close()
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def decide(page: "Page", title: str, reason: str) -> None:
    form = page.get_by_role("form", name=title, exact=True)
    form.get_by_label("Why").fill(reason)
    form.get_by_role("button").click(no_wait_after=True)
    page.get_by_role("status").wait_for()


def shown(page: "Page") -> dict[str, str]:
    """What the page says at its head."""
    items = page.get_by_role("list", name="State").get_by_role("listitem")
    return {
        item.locator("span").inner_text(): item.locator("strong").inner_text()
        for item in items.all()
    }


def test_a_challenger_is_approved_answers_and_is_rolled_back_within_seconds(
    page: "Page", stack: Stack, picture: Callable[..., None]
) -> None:
    assert shown(page)["Server answers with"] == "version 1"
    side = page.get_by_role("region", name="Side by side")
    assert "waits for a person" in side.inner_text()
    picture("board-waiting", page)
    picture("board-decide", page.locator("section", has=page.locator("#decide")))
    decide(page, "Approve and promote", "even on all slices")
    assert shown(page)["In production"] == "version 2"
    while stack.answering() != "2":
        time.sleep(0.1)
    page.reload()
    assert shown(page)["Server answers with"] == "version 2"

    picture("board-approved", page)
    begun = time.monotonic()
    decide(page, "Roll back", "too many referrals")
    assert stack.answering() == "1"
    assert time.monotonic() - begun < _ROLLBACK_SECONDS
    told = shown(page)
    assert (told["In production"], told["Server answers with"]) == ("version 1", "version 1")
    assert page.get_by_role("status").inner_text().startswith("Done: rollback, version 1.")
    database = database_of(stack.workspace)
    assert [(line.action, line.actor) for line in ledger.newest(database, 3)] == [
        ("rollback", "airflow:ada"),
        ("promote", "airflow:ada"),
        ("approve", "airflow:ada"),
    ]
    ledger.verify(database)
    listed = page.get_by_role("region", name="Newest lines of the ledger")
    for action, reason in (
        ("approve", "even on all slices"),
        ("promote", "even on all slices"),
        ("rollback", "too many referrals"),
    ):
        row = listed.get_by_role("row").filter(has_text=reason).filter(has_text=action)
        assert "airflow:ada" in row.inner_text()
    picture("board-ledger", listed)


def test_airflows_own_navigation_leads_to_the_board(page: "Page", stack: Stack) -> None:
    page.goto(stack.airflow)
    page.get_by_role("button", name="Browse").click()
    with page.context.expect_page() as opened:
        page.get_by_role("menuitem", name="Model board").click()
    opened.value.get_by_role("list", name="State").wait_for()


@pytest.mark.parametrize("page", ["vera"], indirect=True)
def test_a_viewer_is_offered_nothing(page: "Page") -> None:
    assert page.get_by_role("button").count() == 0
    assert page.get_by_role("heading", name="Side by side").is_visible()


def test_a_reason_is_asked_for_before_anything_is_sent(page: "Page") -> None:
    address = page.url
    page.get_by_role("form", name="Shadow", exact=True).get_by_role("button").click()
    assert page.url == address
    assert page.locator("#shadow-reason:invalid").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_board_has_no_fault_of_accessibility(page: "Page", scheme: str, width: int) -> None:
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    from tests.browser.test_accessibility import violations

    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    assert violations(page) == []
    sideways = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(sideways)
