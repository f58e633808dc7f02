"""What pages for auditors and newcomers name is there: files, sections, commands, targets."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from ml.cli import app
from ml.journey.change_pack import README
from ml.settings import PROJECT_ROOT

PAGES = [PROJECT_ROOT / "docs" / "regulatory.md", PROJECT_ROOT / "CONTRIBUTING.md"]
# What `vigie ledger export` writes lies in no folder of the project.
PACKED = set(re.findall(r"[\w.]+\.(?:jsonl|json|md)\b", README))


def links(text: str) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]


def spans(text: str) -> list[str]:
    """All code: in a line, and the lines of blocks without their comments."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [*filter(None, lines), *inline]


def named_files(text: str) -> set[str]:
    """Code that looks like a file or a folder of the project."""
    looks = re.compile(r"^[\w.-]+(/[\w.-]+)*(/|\.(md|py|toml|json|lock|yaml|yml|ipynb))$")
    return {span for span in spans(text) if looks.match(span)} - PACKED


def commands(text: str, tool: str) -> list[list[str]]:
    return [
        shlex.split(span.removeprefix(".venv/bin/"))[1:]
        for span in spans(text)
        if re.match(rf"(\.venv/bin/)?{tool} ", span)
    ]


def section(title: str) -> str:
    """The anchor that a heading has."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def command_fault(arguments: list[str]) -> str:
    """Why `vigie` would not understand, empty if it would."""
    command: Any = typer.main.get_command(app)
    for word in arguments:
        if word.startswith("-"):
            options = {name for option in command.params for name in option.opts}
            if word not in options | {"--json", "--help"}:
                return f"{command.name} has no option {word}"
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return f"{command.name} has no verb {word}"
            command = command.commands[word]
    return ""


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page.read_text()):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists():
            broken.append(link)
        elif anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            broken += [] if anchor in map(section, titles) else [link]
    assert broken == []


def test_every_file_is_there(page: Path) -> None:
    files = named_files(page.read_text())
    assert files
    assert {name for name in files if not (PROJECT_ROOT / name).exists()} == set()


def test_every_command_is_understood(page: Path) -> None:
    faults = map(command_fault, commands(page.read_text(), "vigie"))
    assert list(filter(None, faults)) == []


def test_every_target_is_known_to_make(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = {arguments[0] for arguments in commands(page.read_text(), "make")}
    assert asked
    assert asked <= set(targets)


def test_the_checks_see_what_is_missing() -> None:
    text = "See `ml/nowhere.py`, `vigie ledger burn`, `vigie drift --never`, [x](gone.md#y)."
    assert named_files(text) == {"ml/nowhere.py"}
    assert links(text) == ["gone.md#y"]
    assert all(map(command_fault, commands(text, "vigie")))
    assert len(commands(text, "vigie")) == 2
