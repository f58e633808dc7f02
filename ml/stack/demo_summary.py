"""What the demo leaves behind: `summary.json` for machines, a panel for people."""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_GATE_STYLES = {"pass": "green", "refuse": "red", "insufficient": "yellow"}


class DemoSummary(BaseModel):
    """`promoted` tells whether this demo's challenger reached production.

    `model_version` and `bundle_sha256` are what production answers with; `prediction` is an
    answer to an image whose true label is the critical one. `seconds` is stage → seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset_id: str
    model_version: str
    bundle_sha256: str
    metrics: dict[str, Any]
    gate: dict[str, Any]
    promoted: bool
    prediction: dict[str, Any]
    answers: dict[str, int]
    drift: dict[str, Any]
    drift_report: str
    ingest: dict[str, Any] | None
    runs: dict[str, dict[str, str]]
    urls: dict[str, str]
    seconds: dict[str, float]

    def write(self, path: Path) -> None:
        """Put it in place in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(self.model_dump(mode="json"), indent=2) + "\n")
        temporary.replace(path)


def show(console: Console, summary: DemoSummary) -> None:
    """Print what happened, in the order in which it happened."""
    parts: list[RenderableType] = [_images(summary), Text(), _gates(summary)]
    parts += [Text(), _metrics(summary), Text(), _production(summary)]
    title = "Promoted" if summary.promoted else "Refused, production stays as it was"
    style = "green" if summary.promoted else "yellow"
    console.print(Panel(Group(*parts), title=title, title_align="left", border_style=style))


def _images(summary: DemoSummary) -> RenderableType:
    if summary.ingest is None:
        return Text("No new images; the newest dataset was used.")
    grid = Table.grid(padding=(0, 2))
    grid.add_row("[bold]Images[/]", f"{summary.ingest['rows']} arrived")
    grid.add_row("", f"{summary.ingest['accepted']} accepted")
    for reason, count in summary.ingest["rejected"].items():
        grid.add_row("", f"{count} in quarantine or dropped: {reason}")
    grid.add_row("", f"dataset {summary.dataset_id[:12]}")
    return grid


def _gates(summary: DemoSummary) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for number, result in enumerate(summary.gate["results"]):
        style = _GATE_STYLES[result["verdict"]]
        table.add_row(
            "[bold]Gates[/]" if number == 0 else "",
            Text(result["verdict"], style),
            result["name"],
            Text(result["evidence"], "dim"),
        )
    return table


def _metrics(summary: DemoSummary) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    headline = summary.metrics["headline"]
    for number, (name, interval) in enumerate(headline.items()):
        table.add_row(
            "[bold]Test[/]" if number == 0 else "",
            name.replace("_", " "),
            f"{interval['estimate']:.3f}",
            Text(f"{interval['lower']:.3f} to {interval['upper']:.3f}", "dim"),
        )
    for paper in summary.metrics["paper"]:
        table.add_row(
            "",
            f"{paper['member']} alone",
            f"{paper['honest_accuracy']:.3f}",
            Text(f"{paper['paper_accuracy']:.3f} on a random image split", "dim"),
        )
    return table


def _production(summary: DemoSummary) -> RenderableType:
    answers, prediction = summary.answers, summary.prediction
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        "[bold]Production[/]",
        f"version {summary.model_version}, bundle {summary.bundle_sha256[:12]}",
    )
    grid.add_row(
        "",
        f"{answers['right']} of {answers['asked']} answers right, {answers['referred']} referred",
    )
    probability = prediction["probabilities"][prediction["label"]]
    grid.add_row("", f"a {prediction['label']} phantom: {prediction['label']}, {probability:.0%}")
    grid.add_row("[bold]Drift[/]", f"{summary.drift['state']}: {summary.drift_report}")
    return grid
