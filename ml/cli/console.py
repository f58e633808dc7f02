"""How the command talks: tables and progress for people, JSON for machines."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ml.settings import Settings, load_settings

out = Console()
errors = Console(stderr=True)

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a parameter: section.key=value, or profile=NAME."),
]
RunKey = Annotated[str | None, typer.Option("--run", help="Key of a run; default the newest.")]


@dataclass(frozen=True, slots=True)
class Options:
    """What stands before the verb."""

    machine: bool = False


def options_of(arguments: Sequence[str]) -> Options:
    """The options as typed, for errors that come before they were parsed."""
    return Options(machine="--json" in arguments)


def settings() -> Settings:
    """The environment, read once a command."""
    return load_settings()


def show(context: typer.Context, result: BaseModel | Sequence[BaseModel], text: str) -> None:
    """Print a result: JSON with `--json`, otherwise the sentence."""
    if not context.obj.machine:
        out.print(text, soft_wrap=True)
    elif isinstance(result, BaseModel):
        _print_json(result.model_dump(mode="json"))
    else:
        _print_json([item.model_dump(mode="json") for item in result])


def show_table(
    context: typer.Context,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    content: object,
) -> None:
    """Print a table, or `content` as JSON."""
    if context.obj.machine:
        _print_json(content)
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    out.print(table)


@contextmanager
def progress(description: str, total: int) -> Iterator["Advance"]:
    """A progress bar on standard error, so that standard output stays clean for machines."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors) as bar:
        task = bar.add_task(description, total=total)
        yield Advance(bar, task)


class Advance:
    """Moves one progress bar."""

    def __init__(self, bar: Progress, task: object) -> None:
        self._bar = bar
        self._task = task

    def __call__(self, steps: int = 1) -> None:
        self._bar.advance(self._task, steps)  # type: ignore[arg-type]  # rich's NewType


def say(line: str) -> None:
    """A progress line for people, on standard error."""
    errors.print(line, highlight=False, soft_wrap=True)


def _print_json(content: object) -> None:
    sys.stdout.write(json.dumps(content, indent=2) + "\n")
