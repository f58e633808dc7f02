"""The experiments before people: estimates over their intervals, then paired differences."""

from rich.markup import escape

from ml.cli.console import out
from ml.cli.measured import cell, measured_table
from ml.evaluation.experiment_page import costs, parts, title_of
from ml.evaluation.experiment_table import HEADLINE, Difference, ExperimentRow, ExperimentTable
from ml.evaluation.results import Interval


def show_experiments(table: ExperimentTable) -> None:
    """Print the rows of both parts, and what each is worth beside the one it is compared with."""
    names = [table.titles()[metric] for metric in HEADLINE]
    out.print(
        f"{table.images} test images of {table.groups} groups, {table.critical_images} of them "
        f"{table.critical_label}; {table.confidence:.0%} intervals.\n"
    )
    compared = measured_table(
        "Paired differences on the same images; bold: the interval excludes 0", names
    )
    for heading, rows in parts(table):
        measured = measured_table(heading, [*names, "ms/image\nMB"])
        for row in rows:
            if not isinstance(row, ExperimentRow):
                measured.add_row(row.title, "failed")
                continue
            milliseconds, megabytes, seconds = costs(row)
            measured.add_row(
                f"{row.title}\n[dim]trained in {seconds} s[/]",
                *(cell(getattr(row.metrics, metric)) for metric in HEADLINE),
                f"{milliseconds}\n[dim]{megabytes}[/]",
            )
            if row.difference is not None:
                compared.add_row(
                    f"{row.title}\n[dim]− {title_of(table, row.difference)}[/]",
                    *(_change(row.difference, metric) for metric in HEADLINE),
                )
        out.print(measured, "")
    for failed in table.failed:
        out.print(f"[bold]{escape(failed.title)} failed:[/] {escape(failed.reason)}\n")
    if compared.row_count:
        out.print(compared)


def _change(difference: Difference, metric: str) -> str:
    interval: Interval | None = getattr(difference.metrics, metric)
    if interval is None:
        return "–"
    finding = difference.finding(metric)
    if finding == "no change":
        return "no change"
    bounds = f"[dim]{interval.lower:+.2f}…{interval.upper:+.2f}[/]"
    text = f"{interval.estimate:+.3f}\n{bounds}"
    return f"[bold]{text}[/]" if finding in ("better", "worse") else text
