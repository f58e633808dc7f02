"""Make Grafana's dashboards of what people edit: `panels/*.yaml` and the runbook.

uv run python deploy/grafana/build.py

A file in `panels` is one dashboard: its rows, and in each row its panels from left to right. What
is the same for all panels of a kind stands in `kinds.py`. The runbook becomes a dashboard of its
own, so that a panel's link leads to what to do, in whichever Grafana this is.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from kinds import panel_of
from runbook import Runbook, link, read_runbook

HERE = Path(__file__).parent
RUNBOOK = HERE.parents[1] / "docs" / "operations.md"
OUTPUT = HERE / "dashboards"
_COLUMNS = 24
_SCHEMA_VERSION = 41  # of Grafana 12; later ones migrate it when they load it
_VARIABLE = {"hide": 0, "includeAll": True, "multi": True, "allValue": ".*", "refresh": 2}
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, Any]


def main() -> None:
    """Write all dashboards."""
    OUTPUT.mkdir(exist_ok=True)
    for name, text in built().items():
        (OUTPUT / name).write_text(text)


def built() -> dict[str, str]:
    """File name → content of each dashboard."""
    runbook = read_runbook(RUNBOOK)
    dashboards = {
        path.stem: _dashboard(yaml.safe_load(path.read_text()), path.stem, runbook)
        for path in sorted((HERE / "panels").glob("*.yaml"))
    }
    dashboards["runbook"] = runbook.dashboard(_frame)
    return {
        f"{name}.json": json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"
        for name, dashboard in dashboards.items()
    }


def _frame(name: str, title: str, about: str) -> Json:
    """A dashboard without panels."""
    return {
        "uid": f"vigie-{name}",
        "title": title,
        "description": about,
        "tags": ["vigie"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "links": [
            link("Vigie", type="dashboards", tags=["vigie"], keepTime=True),
        ],
        "panels": [],
    }


def _dashboard(source: Json, name: str, runbook: Runbook) -> Json:
    return {
        **_frame(name, source["title"], source["about"].strip()),
        "refresh": source["refresh"],
        "time": {"from": source["from"], "to": "now"},
        "templating": {"list": [*_variables(source.get("variables", {}))]},
        "annotations": {"list": [*_annotations(source.get("annotations", []))]},
        "panels": [*_panels(source["rows"], runbook)],
    }


def _variables(variables: Mapping[str, Json]) -> Iterator[Json]:
    yield {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "hide": 0,
    }
    for name, variable in variables.items():
        yield {
            **_VARIABLE,
            "name": name,
            "label": variable["label"],
            "type": "query",
            "datasource": _SOURCE,
            "definition": variable["values"],
            "query": {"query": variable["values"], "refId": name},
            "sort": 1,
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def _annotations(annotations: list[Json]) -> Iterator[Json]:
    for annotation in annotations:
        yield {
            "name": annotation["title"],
            "datasource": _SOURCE,
            "enable": True,
            "expr": annotation["query"],
            "iconColor": "blue",
            "step": "60s",
            "titleFormat": annotation["title"],
        }


def _panels(rows: list[Json], runbook: Runbook) -> Iterator[Json]:
    number, top = 1, 0
    for row in rows:
        place = {"x": 0, "y": top, "w": _COLUMNS, "h": 1}
        yield {
            "id": number,
            "type": "row",
            "title": row["title"],
            "collapsed": False,
            "panels": [],
            "gridPos": place,
        }
        number, top, left = number + 1, top + 1, 0
        for panel in row["panels"]:
            place = {"x": left, "y": top, "w": panel["width"], "h": row["height"]}
            yield {
                "id": number,
                "gridPos": place,
                "datasource": _SOURCE,
                "links": [runbook.link(alert) for alert in panel.get("runbook", [])],
                **panel_of(panel),
            }
            number, left = number + 1, left + panel["width"]
        if left > _COLUMNS:
            raise ValueError(f"The row {row['title']!r} is {left} columns wide, of {_COLUMNS}.")
        top += row["height"]


if __name__ == "__main__":
    main()
