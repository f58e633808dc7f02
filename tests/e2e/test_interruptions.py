"""A stage that is killed and run again leaves what an undisturbed one leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml.training.member_files import read_member
from tests.e2e.conftest import Journey, overrides

pytestmark = pytest.mark.slow
FAST = ("--set", "training.epochs=3", "--set", "data.seed=20")


def train(run_key: str) -> list[str]:
    return ["train", "--run", run_key, *overrides(), *FAST]


def kill_while_training(journey: Journey, run_key: str) -> None:
    """Start `vigie train` and kill it once an epoch is over, before the member is written."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ml.cli", *train(run_key)],
        env=journey.environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 1/" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)


def test_a_training_that_was_killed_ends_like_one_that_was_not(journey: Journey) -> None:
    kill_while_training(journey, "killed")
    members = journey.workspace.run("killed") / "members"
    assert not (members / "cnn" / "member.json").exists()
    for run_key in ("killed", "undisturbed"):
        done = journey.vigie(*train(run_key))
        assert done.returncode == 0, done.stderr
    killed, undisturbed = (
        read_member(journey.workspace.run(key) / "members" / "cnn")
        for key in ("killed", "undisturbed")
    )
    assert killed.fingerprint == undisturbed.fingerprint
    assert killed.validation == undisturbed.validation


def test_a_finished_stage_run_again_does_nothing_twice(journey: Journey) -> None:
    before = files(journey.workspace.run(journey.summary["run_key"]) / "bundle")
    started = time.monotonic()
    again = journey.vigie("--json", "export", "--run", journey.summary["run_key"])
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["sha256"] == journey.summary["bundle_sha256"]
    assert files(journey.workspace.run(journey.summary["run_key"]) / "bundle") == before
    assert time.monotonic() - started < 60


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
