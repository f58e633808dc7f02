"""Tables of estimates over their intervals, narrow enough for 80 columns."""

from collections.abc import Sequence

from rich.console import JustifyMethod
from rich.table import Table

from ml.evaluation.results import Interval


def measured_table(title: str, columns: Sequence[str]) -> Table:
    """A table whose first column names the rows and gives way; no number is cut off."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in ("", *columns):
        justify: JustifyMethod = "right" if column else "left"
        table.add_column(column.replace(" ", "\n"), justify=justify, no_wrap=bool(column))
    return table


def cell(interval: Interval | None) -> str:
    """The estimate over its bounds."""
    if interval is None:
        return "–"
    return f"{interval.estimate:.3f}\n[dim]{interval.lower:.2f}–{interval.upper:.2f}[/]"
