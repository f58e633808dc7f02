"""All that an installation can be asked, so that two can be compared."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from ml.cli import app
from ml.store.database import open_database
from ml.store.feedback import read_feedback
from tests.e2e.conftest import Journey

QUESTIONS = (
    ("versions",),
    ("ledger",),
    ("ledger", "verify"),
    ("quarantine", "--all"),
)


def told(site: Journey, image: Path) -> dict[str, Any]:
    """What the command says of models, ledger, quarantine and past answers to `image`."""
    questions = [*QUESTIONS, ("ledger", "trace", str(image))]
    return {" ".join(question): ask(site, *question) for question in questions}


def ask(site: Journey, *question: str) -> Any:
    """What the command answers; in this process, since libraries take seconds to import."""
    asked = CliRunner().invoke(app, ["--json", *question], env=site.environment)
    assert asked.exit_code == 0, asked.output
    return json.loads(asked.stdout)


def run(site: Journey, *verb: str) -> Any:
    """What the command prints, as a process of its own."""
    ran = site.vigie("--json", *verb)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def served(url: str, image: Path) -> dict[str, Any]:
    """What a server answers to an image."""
    answer: dict[str, Any] = httpx.post(f"{url}/predict", files={"file": image.read_bytes()}).json()
    return answer


def lasting(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs each time."""
    return {part: answer[part] for part in ("label", "probabilities", "decision", "model")}


def correct(url: str, answer: dict[str, Any], database_url: str) -> None:
    """Send a correction, and wait until the database has it."""
    correction = {"request_id": answer["request_id"], "label": "normal", "author": "Dr. A"}
    assert httpx.post(f"{url}/feedback", json=correction).status_code == 201
    database = open_database(database_url)
    deadline = time.monotonic() + 30
    while not read_feedback(database):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    database.dispose()


def at(site: Journey, home: Path) -> Journey:
    """The same installation, in another home."""
    return replace(site, home=home, environment=site.environment | {"VIGIE_HOME": str(home)})
