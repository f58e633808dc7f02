"""A live table of things that go on: redrawn on a terminal, one line per change elsewhere."""

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

_STYLES = {
    "waiting": "dim",
    "skipped": "dim",
    "running": "cyan",
    "starting": "cyan",
    "ready": "green",
    "success": "green",
    "failed": "bold red",
    "upstream_failed": "red",
    "up_for_retry": "yellow",
}
_MARKS = {"success": "✔", "ready": "✔", "failed": "✘", "upstream_failed": "✘", "skipped": "–"}
_GOING = {"running", "starting", "up_for_retry", "deferred"}
_OVER = {"ready", "success", "failed", "upstream_failed", "skipped"}


@dataclass(slots=True)
class _Row:
    state: str = "waiting"
    since: float | None = None
    seconds: float | None = None
    note: str = ""


class Board:
    """Rows in the order in which they were first set; use as a context manager."""

    def __init__(self, title: str, console: Console) -> None:
        self._title = title
        self._console = console
        self._rows: dict[str, _Row] = {}
        self._live = Live(
            get_renderable=self._table,
            console=console,
            refresh_per_second=4,
            auto_refresh=console.is_terminal,
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(self._title)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the last state standing."""
        if self._console.is_terminal:
            self._live.stop()

    def set(self, name: str, state: str, *, note: str = "", seconds: float | None = None) -> None:
        """Say where `name` stands; time is taken here unless `seconds` is given."""
        row = self._rows.setdefault(name, _Row())
        changed = row.state != state
        if state in _GOING and row.since is None:
            row.since = time.monotonic()
        if seconds is not None:
            row.seconds = seconds
        elif state in _OVER and row.since is not None and row.seconds is None:
            row.seconds = time.monotonic() - row.since
        row.state, row.note = state, note
        if changed and not self._console.is_terminal and state != "waiting":
            took = f" {row.seconds:.1f} s" if row.seconds is not None else ""
            detail = f"  {note}" if note else ""
            self._console.print(f"  {name}: {state}{took}{detail}", highlight=False)

    def seconds(self) -> dict[str, float]:
        """Name → seconds, for the rows that have come to an end."""
        return {
            name: round(row.seconds, 1)
            for name, row in self._rows.items()
            if row.seconds is not None
        }

    def _table(self) -> Table:
        table = Table(title=self._title, title_justify="left", title_style="bold", box=None)
        table.add_column("")
        table.add_column("what", min_width=24)
        table.add_column("state", min_width=10)
        table.add_column("s", justify="right", min_width=6)
        table.add_column("", style="dim", overflow="ellipsis", no_wrap=True)
        for name, row in self._rows.items():
            seconds = row.seconds
            if seconds is None and row.since is not None:
                seconds = time.monotonic() - row.since
            style = _STYLES.get(row.state, "")
            mark = _MARKS.get(row.state, "•" if row.state in _GOING else " ")
            took = f"{seconds:.0f}" if seconds is not None else ""
            table.add_row(Text(mark, style), name, Text(row.state, style), took, row.note)
        return table
