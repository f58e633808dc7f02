"""Every command of the README is run, or shown to be understood where running takes minutes."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from ml.settings import PROJECT_ROOT
from tests.e2e.conftest import Journey, vigie

README = (PROJECT_ROOT / "README.md").read_text()
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.split("#")[0].strip()
]
VIGIE = [command for command in COMMANDS if command.startswith(".venv/bin/vigie")]
RUN_AS_WRITTEN = ("versions", "ledger", "quarantine")


def test_the_readme_has_commands() -> None:
    assert "make demo" in COMMANDS
    assert len(VIGIE) >= 5


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_knows_the_target(command: str) -> None:
    dry = subprocess.run(
        [*shlex.split(command), "--dry-run"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert dry.returncode == 0, dry.stderr


@pytest.mark.parametrize("command", VIGIE)
def test_vigie_understands_the_command(command: str) -> None:
    verb, *arguments = shlex.split(command)[1:]
    shown = vigie({"PATH": "/usr/bin", "COLUMNS": "200"}, verb, "--help")
    if "COMMAND [ARGS]" in shown.stdout and arguments and not arguments[0].startswith("-"):
        shown = vigie({"PATH": "/usr/bin", "COLUMNS": "200"}, verb, arguments[0], "--help")
    assert shown.returncode == 0, shown.stderr
    for option in (word for word in arguments if word.startswith("--")):
        assert option in shown.stdout


@pytest.mark.slow
@pytest.mark.parametrize("verb", RUN_AS_WRITTEN)
def test_what_only_reads_is_run_as_written(journey: Journey, verb: str) -> None:
    (command,) = (command for command in VIGIE if shlex.split(command)[1:] == [verb])
    ran = journey.vigie(*shlex.split(command)[1:])
    assert ran.returncode == 0, ran.stderr


def test_every_file_that_the_readme_names_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    missing = [
        link
        for link in links
        if not link.startswith("http") and not (PROJECT_ROOT / Path(link)).exists()
    ]
    assert missing == []
