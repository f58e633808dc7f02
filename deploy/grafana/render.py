"""Draw dashboards as pictures, from their JSON and a Prometheus.

uv run python deploy/grafana/render.py --prometheus http://localhost:9090 --output DIR
    [--hours 6] [--until 2026-11-28T12:00:00Z] [NAME …]

For documents, for a review of a change, and where no Grafana is at hand. Panels stand where Grafana
puts them; what only a browser can do (hovering, links) is left out.
"""

import argparse
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import matplotlib as mpl

mpl.use("Agg")
from drawings import draw_panel
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from PIL import Image
from queries import all_values, filled

HERE = Path(__file__).parent
_COLUMN_PIXELS, _ROW_PIXELS, _GAP = 60, 36, 4
_HEAD_ROWS = 1.6
_DPI = 100
_POINTS_A_COLUMN = 16
_SCRAPE_SECONDS = 15

Json = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A Prometheus, and the time that is looked at."""

    url: str
    start: datetime
    end: datetime

    def at_the_end(self, expression: str) -> list[Json]:
        """Series with their `value` at the end."""
        return self._ask("query", query=expression, time=self.end.timestamp())

    def over_time(self, expression: str, step: float) -> list[Json]:
        """Series with their `values`, one every `step` seconds."""
        span = {"start": self.start.timestamp(), "end": self.end.timestamp(), "step": step}
        return self._ask("query_range", query=expression, **span)

    def _ask(self, path: str, **parameters: Any) -> list[Json]:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=60)
        answer.raise_for_status()
        found: list[Json] = answer.json()["data"]["result"]
        return found


def main() -> None:
    """Draw each dashboard into a PNG of its name."""
    options = _parse()
    end = options.until or datetime.now(UTC)
    source = Source(options.prometheus, end - timedelta(hours=options.hours), end)
    options.output.mkdir(parents=True, exist_ok=True)
    for path in sorted((HERE / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text())
        if path.stem in options.names or (not options.names and dashboard.get("templating")):
            (options.output / f"{path.stem}.png").write_bytes(render(dashboard, source))


def render(dashboard: Json, source: Source) -> bytes:
    """A PNG of the whole dashboard."""
    panels = dashboard["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) + _HEAD_ROWS
    width, height = 24 * _COLUMN_PIXELS, rows * _ROW_PIXELS
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8, "text.parse_math": False})
    figure = plt.figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="#f4f5f5")

    def box(place: Json, inset: float = _GAP / 2) -> tuple[float, float, float, float]:
        left, top = place["x"] * _COLUMN_PIXELS + inset, (place["y"] + _HEAD_ROWS) * _ROW_PIXELS
        across = place["w"] * _COLUMN_PIXELS - 2 * inset
        down = place["h"] * _ROW_PIXELS - 2 * inset
        return left / width, 1 - (top + inset + down) / height, across / width, down / height

    _head(figure, dashboard, source, height)
    values = all_values(dashboard)
    for panel in panels:
        left, bottom, across, down = box(panel["gridPos"])
        if panel["type"] == "row":
            figure.text(
                left + 6 / width, bottom + down / 2, panel["title"], size=10, weight="bold",
                va="center", color="#24292e",
            )  # fmt: skip
            continue
        figure.add_artist(
            Rectangle(
                (left, bottom),
                across,
                down,
                facecolor="white",
                edgecolor="#e0e2e4",
                lw=0.8,
                zorder=-1,
            )
        )
        figure.text(
            left + 8 / width, bottom + down - 14 / height, panel["title"], size=9,
            va="center", color="#24292e",
        )  # fmt: skip
        inner = (left + 8 / width, bottom + 6 / height, across - 16 / width, down - 34 / height)
        draw_panel(figure, inner, panel, _answers(panel, source, values), source.start, source.end)
    return _png(figure)


def _head(figure: Any, dashboard: Json, source: Source, height: float) -> None:
    middle = 1 - _HEAD_ROWS * _ROW_PIXELS / 2 / height
    figure.text(0.006, middle + 8 / height, dashboard["title"], size=14, weight="bold", va="center")
    figure.text(0.006, middle - 14 / height, dashboard["description"], va="center", color="#5a6069")
    span = f"{source.start:%Y-%m-%d %H:%M} to {source.end:%Y-%m-%d %H:%M} UTC"
    figure.text(0.994, middle, span, va="center", ha="right", color="#5a6069")


def _answers(panel: Json, source: Source, values: dict[str, str]) -> list[list[Json]]:
    """The series of each of a panel's queries."""
    points = panel["gridPos"]["w"] * _POINTS_A_COLUMN
    step = max((source.end - source.start).total_seconds() / points, _SCRAPE_SECONDS)
    rate = f"{max(4 * _SCRAPE_SECONDS, round(step))}s"
    answers = []
    for target in panel["targets"]:
        expression = filled(target["expr"], values, rate_interval=rate)
        answers.append(
            source.at_the_end(expression)
            if target["instant"]
            else source.over_time(expression, step)
        )
    return answers


def _png(figure: Any) -> bytes:
    """Few colours make a small file."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", facecolor=figure.get_facecolor())
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE).save(
        small, "PNG", optimize=True
    )
    return small.getvalue()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="dashboards; all where none is named")
    parser.add_argument("--prometheus", default="http://localhost:9090")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=6)
    parser.add_argument("--until", type=datetime.fromisoformat, help="with its offset; default now")
    return parser.parse_args()


if __name__ == "__main__":
    main()
