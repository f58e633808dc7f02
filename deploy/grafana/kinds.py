"""Panels of each kind in Grafana's JSON."""

import string
from typing import Any

Json = dict[str, Any]

_GREEN, _YELLOW, _RED = "green", "#EAB839", "red"
_KEYS = {
    *("title", "kind", "width", "about", "runbook", "queries", "unit", "min", "max", "decimals"),
    *(
        "steps",
        "names",
        "none",
        "spark",
        "shows",
        "stacked",
        "interpolation",
        "looks",
        "columns",
        "sort",
    ),
}
_COLOURS = {"good": _GREEN, "warn": _YELLOW, "bad": _RED, "plain": "text", "info": "blue"}
_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}


def panel_of(source: Json) -> Json:
    """One panel without its place.

    `kind` is stat, timeseries, bars, table or states; `steps` are thresholds as value and colour,
    the first without a value; `names` say what numbers mean.

    Raises:
        ValueError: a key that no panel has.
    """
    _require_known(source, _KEYS)
    kind = source["kind"]
    make = {
        "stat": _stat,
        "timeseries": _timeseries,
        "bars": _bars,
        "table": _table,
        "states": _states,
    }[kind]
    made = make(source)
    defaults = {**_defaults(source), **made.pop("defaults", {})}
    instant = kind in ("bars", "table") or (kind == "stat" and not source.get("spark"))
    return {
        "title": source["title"],
        "description": source["about"].strip(),
        "fieldConfig": {"defaults": defaults, "overrides": made.pop("overrides", [])},
        "targets": [
            _target(query, letter, instant=instant, table=kind == "table")
            for letter, query in zip(string.ascii_uppercase, _queries(source), strict=False)
        ],
        **made,
    }


def _require_known(source: Json, known: set[str]) -> None:
    if unknown := set(source) - known:
        raise ValueError(f"Unknown keys in {source}: {sorted(map(str, unknown))}.")


def _queries(source: Json) -> list[Json]:
    queries = source["queries"]
    found: list[Json] = [queries] if isinstance(queries, dict) else queries
    for query in found:
        _require_known(query, {"expr", "legend"})
    return found


def _target(query: Json, letter: str, *, instant: bool, table: bool) -> Json:
    return {
        "refId": letter,
        "expr": query["expr"].strip(),
        "legendFormat": query.get("legend", "__auto"),
        "instant": instant,
        "range": not instant,
        **({"format": "table"} if table else {}),
    }


def _defaults(source: Json) -> Json:
    steps = source.get("steps", [["plain"]])
    return {
        "unit": source.get("unit", "short"),
        **{key: source[key] for key in ("min", "max", "decimals") if key in source},
        **({"noValue": source["none"]} if "none" in source else {}),
        "thresholds": {
            "mode": "absolute",
            "steps": [
                {"value": value[0] if value else None, "color": _COLOURS[colour]}
                for *value, colour in steps
            ],
        },
        "mappings": _mappings(source.get("names", {})),
    }


def _mappings(names: Json) -> list[Json]:
    if not names:
        return []
    options = {
        str(value): {"index": index, "text": text, "color": _COLOURS[colour]}
        for index, (value, (text, colour)) in enumerate(names.items())
    }
    return [{"type": "value", "options": options}]


def _reduce(**more: Any) -> Json:
    return {"calcs": ["lastNotNull"], "fields": "", "values": False, **more}


def _stat(source: Json) -> Json:
    colours = {"color": {"mode": "thresholds"}}
    return {
        "type": "stat",
        "defaults": colours,
        "options": {
            "reduceOptions": _reduce(),
            "colorMode": "value",
            "graphMode": "area" if source.get("spark") else "none",
            "textMode": "name" if source.get("shows") == "name" else "auto",
            "justifyMode": "auto",
            "orientation": "auto",
            "wideLayout": True,
        },
    }


def _timeseries(source: Json) -> Json:
    stacked = source.get("stacked", False)
    custom = {
        "drawStyle": "line",
        "lineInterpolation": source.get("interpolation", "linear"),
        "lineWidth": 1 if stacked else 2,
        "fillOpacity": 60 if stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if "steps" in source else "off"},
    }
    return {
        "type": "timeseries",
        "defaults": {"color": {"mode": "palette-classic"}, "custom": custom},
        "overrides": [*map(_look, source.get("looks", {}).items())],
        "options": {
            "legend": _LEGEND,
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _look(item: tuple[str, Json]) -> Json:
    """How one series differs: its `colour`, and `dashed` where it is a bound."""
    name, look = item
    properties = [
        {"id": "color", "value": {"mode": "fixed", "fixedColor": _COLOURS[look["colour"]]}},
    ]
    if look.get("dashed"):
        properties.append({"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [6, 6]}})
        properties.append({"id": "custom.lineWidth", "value": 1})
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def _bars(source: Json) -> Json:
    return {
        "type": "bargauge",
        "defaults": {"color": {"mode": "thresholds"}, "min": source.get("min", 0)},
        "options": {
            "reduceOptions": _reduce(),
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": False,
            "valueMode": "color",
            "namePlacement": "left",
            "sizing": "auto",
            "minVizHeight": 14,
            "maxVizHeight": 28,
        },
    }


def _table(source: Json) -> Json:
    """`columns`: field → its heading, its unit, thresholds and names; others are left out.
    `sort` is the heading of the column by which the largest comes first."""
    columns: Json = source["columns"]
    return {
        "type": "table",
        "defaults": {"custom": {"align": "auto", "cellOptions": {"type": "auto"}}},
        "overrides": [
            {
                "matcher": {"id": "byName", "options": column["title"]},
                "properties": [*_column_properties(column)],
            }
            for column in columns.values()
            if len(column) > 1
        ],
        "transformations": [
            {"id": "merge", "options": {}},
            {"id": "filterFieldsByName", "options": {"include": {"names": [*columns]}}},
            {
                "id": "organize",
                "options": {
                    "indexByName": {name: index for index, name in enumerate(columns)},
                    "renameByName": {name: column["title"] for name, column in columns.items()},
                },
            },
        ],
        "options": {
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": source["sort"], "desc": True}] if "sort" in source else [],
        },
    }


def _column_properties(column: Json) -> list[Json]:
    defaults = _defaults(column)
    properties = [
        {"id": key, "value": defaults[key]} for key in ("unit", "decimals") if key in column
    ]
    if "names" in column:
        properties.append({"id": "mappings", "value": defaults["mappings"]})
    if "steps" in column:
        properties.append({"id": "thresholds", "value": defaults["thresholds"]})
    if "names" in column or "steps" in column:
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    return properties


def _states(_source: Json) -> Json:
    return {
        "type": "state-timeline",
        "defaults": {
            "color": {"mode": "thresholds"},
            "custom": {"fillOpacity": 80, "lineWidth": 0},
        },
        "options": {
            "mergeValues": True,
            "showValue": "never",
            "rowHeight": 0.8,
            "legend": _LEGEND,
            "tooltip": {"mode": "single", "sort": "none"},
        },
    }
