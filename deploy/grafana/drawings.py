"""Panels of each kind as matplotlib draws them."""

import math
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from matplotlib import dates as mdates
from matplotlib.ticker import FuncFormatter, MaxNLocator
from units import text_of

Json = dict[str, Any]
Box = tuple[float, float, float, float]

_COLOURS = {"green": "#3a9b4f", "red": "#d0393b", "#EAB839": "#d79b00", "blue": "#3274d9",
            "text": "#24292e"}  # fmt: skip
_PALETTE = ("#3274d9", "#e08400", "#8f5fd0", "#1f9d8f", "#c2418c", "#7a8b2a", "#8a6d3b", "#5a6069")
_GREY, _LINE = "#5a6069", "#e6e8ea"


def draw_panel(
    figure: Any, box: Box, panel: Json, answers: list[list[Json]], start: datetime, end: datetime
) -> None:
    """Draw one panel's inside into `box` (left, bottom, width, height as shares of the figure)."""
    if not any(answers):
        none = panel["fieldConfig"]["defaults"].get("noValue", "no data")
        axes = _bare(figure, box)
        axes.text(0.5, 0.5, none, ha="center", va="center", size=11, color=_GREY)
        return
    kind = panel["type"]
    if kind in ("timeseries", "state-timeline"):
        draw = _timeseries if kind == "timeseries" else _states
        draw(figure, box, panel, answers, (start, end))
    elif kind == "table":
        _table(figure, box, panel, answers, end)
    else:
        {"stat": _stat, "bargauge": _bars}[kind](figure, box, panel, answers)


def _bare(figure: Any, box: Box) -> Any:
    axes = figure.add_axes(box)
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return axes


def _name(target: Json, metric: Json) -> str:
    legend = target["legendFormat"]
    if legend == "__auto":
        return " ".join(value for key, value in metric.items() if key != "__name__")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: metric.get(found[1], ""), legend)


def _named(panel: Json, answers: list[list[Json]]) -> list[tuple[str, Json]]:
    return [
        (_name(target, series["metric"]), series)
        for target, found in zip(panel["targets"], answers, strict=True)
        for series in found
    ]


def _last(series: Json) -> float:
    return float(series["value"][1] if "value" in series else series["values"][-1][1])


def _points(series: Json) -> tuple[list[datetime], list[float]]:
    """Times and values, with nan at both ends of a gap, so that no line or area bridges it."""
    points = [(float(at), float(value)) for at, value in series["values"]]
    steps = [after - before for (before, _), (after, _) in pairwise(points)]
    step = min(steps, default=math.inf)
    filled = points[:1]
    for (before, _), point in pairwise(points):
        if point[0] - before > 1.5 * step:
            filled += [(before + step, math.nan), (point[0] - step, math.nan)]
        filled.append(point)
    return [datetime.fromtimestamp(at, UTC) for at, _ in filled], [value for _, value in filled]


def _shown(value: float, defaults: Json) -> tuple[str, str]:
    """What a number is written as, and in which colour."""
    for mapping in defaults.get("mappings", []):
        option = mapping["options"].get(f"{value:g}")
        if option:
            return option["text"], _COLOURS[option["color"]]
    colour = "text"
    for step in defaults.get("thresholds", {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    text = text_of(value, defaults.get("unit", "short"), defaults.get("decimals"))
    return text, _COLOURS[colour]


def _stat(figure: Any, box: Box, panel: Json, answers: list[list[Json]]) -> None:
    defaults, series = panel["fieldConfig"]["defaults"], _named(panel, answers)
    axes = _bare(figure, box)
    spark = panel["options"]["graphMode"] == "area"
    if spark:
        left, bottom, width, height = box
        under = figure.add_axes((left, bottom, width, 0.38 * height))
        under.set_axis_off()
        for _, one in series:
            times, values = _points(one)
            under.fill_between(times, values, color="#3274d9", alpha=0.2, lw=0)
            under.plot(times, values, color="#3274d9", lw=1)
            under.set_ylim(0, max(1e-9, *(value for value in values if math.isfinite(value))) * 1.1)
            under.set_xlim(times[0], times[-1])
    if panel["options"]["textMode"] == "name":
        axes.text(0.5, 0.5, series[0][0], size=15, ha="center", va="center", weight="bold")
        return
    for index, (name, one) in enumerate(series):
        text, colour = _shown(_last(one), defaults)
        middle = (index + 0.5) / len(series)
        high = 0.66 if spark else 0.5 if len(series) == 1 else 0.6
        size = 20 if len(text) < 10 and len(series) < 3 else 14
        axes.text(
            middle, high, text, size=size, color=colour, ha="center", va="center", weight="bold"
        )
        if len(series) > 1:
            axes.text(middle, 0.14, name, color=_GREY, ha="center", va="center", size=8)


def _timeseries(
    figure: Any,
    box: Box,
    panel: Json,
    answers: list[list[Json]],
    span: tuple[datetime, datetime],
) -> None:
    defaults, series = panel["fieldConfig"]["defaults"], _named(panel, answers)
    custom, looks = defaults["custom"], _looks(panel)
    names = [name for name, _ in series]
    columns = max(1, min(len(names), int(box[2] * 1440 / (14 + 6.2 * max(map(len, names))))))
    legend_rows = math.ceil(len(names) / columns)
    axes = _time_axes(figure, box, legend_rows, span)
    stacked = custom["stacking"]["mode"] == "normal"
    drawn = [(name, *_points(one), looks.get(name, {})) for name, one in series]
    colours = [
        look.get("colour") or _PALETTE[index % len(_PALETTE)]
        for index, (*_, look) in enumerate(drawn)
    ]
    if stacked:
        _stack(axes, drawn, colours)
    else:
        where = "steps-post" if custom["lineInterpolation"] == "stepAfter" else "default"
        for (name, times, values, look), colour in zip(drawn, colours, strict=True):
            style = {"lw": 1, "ls": (0, (4, 3))} if look.get("dashed") else {"lw": 1.6}
            axes.plot(times, values, color=colour, label=name, drawstyle=where, **style)
    _limits(axes, defaults)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text_of(value, defaults["unit"])))
    axes.legend(
        loc="lower left", bbox_to_anchor=box[:2], bbox_transform=figure.transFigure, ncols=columns,
        frameon=False, fontsize=7.5, handlelength=1.1, columnspacing=1.2, borderpad=0,
        borderaxespad=0,
    )  # fmt: skip


def _stack(axes: Any, drawn: list[Any], colours: list[str]) -> None:
    """Areas on one another; a series that is not there at a time is nothing then."""
    times = sorted({at for _, some, *_ in drawn for at in some})
    rows = []
    for _, some, values, _ in drawn:
        known = dict(zip(some, values, strict=True))
        rows.append([value if math.isfinite(value := known.get(at, 0.0)) else 0.0 for at in times])
    labels = [name for name, *_ in drawn]
    axes.stackplot(times, rows, labels=labels, colors=colours, alpha=0.75, lw=0)


def _looks(panel: Json) -> dict[str, Json]:
    looks = {}
    for override in panel["fieldConfig"]["overrides"]:
        properties = {item["id"]: item["value"] for item in override["properties"]}
        looks[override["matcher"]["options"]] = {
            "colour": _COLOURS[properties["color"]["fixedColor"]],
            "dashed": "custom.lineStyle" in properties,
        }
    return looks


def _time_axes(figure: Any, box: Box, legend_rows: int, span: tuple[datetime, datetime]) -> Any:
    left, bottom, width, height = box
    pixel_x, pixel_y = 1 / 1440, 1 / (figure.get_figheight() * figure.dpi)
    under, beside = (20 + 14 * legend_rows) * pixel_y, 54 * pixel_x
    axes = figure.add_axes((left + beside, bottom + under, width - beside - 6 * pixel_x,
                            height - under))  # fmt: skip
    axes.set_xlim(*span)
    locator = mdates.AutoDateLocator(maxticks=max(3, int(width * 14)), tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        mdates.DateFormatter("%H:%M" if span[1] - span[0] < _TWO_DAYS else "%d %b", tz=UTC)
    )
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(color=_LINE, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=7.5, labelcolor=_GREY, pad=3)
    for side in axes.spines.values():
        side.set_visible(False)
    return axes


_TWO_DAYS = datetime(2000, 1, 3, tzinfo=UTC) - datetime(2000, 1, 1, tzinfo=UTC)


def _limits(axes: Any, defaults: Json) -> None:
    low, high = axes.get_ylim()
    if "min" in defaults:
        low = defaults["min"]
    high += 0.05 * (high - low)
    if "max" in defaults:
        high = defaults["max"]
    elif high <= low or high < 1e-12:
        high = low + 1
    if defaults["custom"]["thresholdsStyle"]["mode"] == "dashed":
        steps = [step for step in defaults["thresholds"]["steps"] if step["value"] is not None]
        # A limit near the data is shown; one far above would press them flat, as in Grafana.
        near = [step for step in steps if step["value"] <= 4 * max(high, 1e-9)] or steps[:1]
        high = max([high, *(1.08 * step["value"] for step in near)])
        for step in near:
            axes.axhline(step["value"], color=_COLOURS[step["color"]], lw=1.2, ls=(0, (6, 4)))
    axes.set_ylim(low, high)


def _bars(figure: Any, box: Box, panel: Json, answers: list[list[Json]]) -> None:
    defaults, series = panel["fieldConfig"]["defaults"], _named(panel, answers)
    axes = _bare(figure, box)
    values = [_last(one) for _, one in series]
    top = defaults.get("max", max([*values, 1e-9]))
    names = [name if len(name) <= 30 else f"{name[:29]}…" for name, _ in series]
    pixels = box[2] * 1440
    start = min(0.55, (12 + 6.0 * max(map(len, names))) / pixels)
    room = max(0.05, 1 - start - 74 / pixels)
    slot = min(1 / len(series), 34 / (box[3] * figure.get_figheight() * figure.dpi))
    for index, (name, value) in enumerate(zip(names, values, strict=True)):
        middle = 1 - (index + 0.5) * slot
        text, colour = _shown(value, defaults)
        length = room * max(0.0, min(1.0, value / top)) if top else 0.0
        axes.barh(middle, length, slot * 0.68, left=start, color=colour, alpha=0.8)
        axes.text(start - 6 / pixels, middle, name, ha="right", va="center", size=8)
        axes.text(start + length + 6 / pixels, middle, text, va="center", size=8.5, color=colour,
                  weight="bold")  # fmt: skip


def _table(figure: Any, box: Box, panel: Json, answers: list[list[Json]], now: datetime) -> None:
    include, organise = (item["options"] for item in panel["transformations"][1:])
    fields = include["include"]["names"]
    defaults = panel["fieldConfig"]["defaults"]
    by_title = {
        override["matcher"]["options"]: {
            **defaults, **{item["id"]: item["value"] for item in override["properties"]}
        }
        for override in panel["fieldConfig"]["overrides"]
    }  # fmt: skip
    titles = [organise["renameByName"][field] for field in fields]
    cells = [
        [_cell(row.get(field), by_title.get(title, defaults), now)
         for field, title in zip(fields, titles, strict=True)]
        for row in _sorted(_merged(answers), panel, dict(zip(titles, fields, strict=True)))
    ]  # fmt: skip
    widths = [
        max([len(title), *(len(row[index][0]) for row in cells)]) + 2
        for index, title in enumerate(titles)
    ]
    axes = _bare(figure, box)
    pixels = box[3] * figure.get_figheight() * figure.dpi
    slot = 19 / pixels
    lefts = [sum(widths[:index]) / sum(widths) for index in range(len(widths))]
    for left, title in zip(lefts, titles, strict=True):
        axes.text(left, 1 - slot / 2, title, va="center", color=_GREY, size=8, weight="bold")
    fitting = int((1 - slot) / slot)
    for index, row in enumerate(cells[:fitting]):
        middle = 1 - (index + 1.5) * slot
        axes.axhline(middle + slot / 2, color=_LINE, lw=0.7)
        for left, (text, colour) in zip(lefts, row, strict=True):
            axes.text(left, middle, text, va="center", size=8, color=colour)


def _cell(value: Any, defaults: Json, now: datetime) -> tuple[str, str]:
    if isinstance(value, float):
        if defaults["unit"] == "dateTimeFromNow":
            age = text_of(now.timestamp() - value / 1000, "dtdurations", 0)
            return f"{age} ago", _COLOURS["text"]
        return _shown(value, defaults)
    return ("" if value is None else str(value)), _COLOURS["text"]


def _merged(answers: list[list[Json]]) -> list[Json]:
    """Rows of equal labels become one, as Grafana's transformation does it."""
    rows: dict[tuple[tuple[str, str], ...], Json] = {}
    for index, found in enumerate(answers):
        field = "Value" if len(answers) == 1 else f"Value #{chr(ord('A') + index)}"
        for series in found:
            labels = {key: value for key, value in series["metric"].items() if key != "__name__"}
            row = rows.setdefault(tuple(sorted(labels.items())), dict(labels))
            row[field] = _last(series)
    return list(rows.values())


def _sorted(rows: list[Json], panel: Json, fields: dict[str, str]) -> list[Json]:
    for rule in panel["options"]["sortBy"]:
        field = fields[rule["displayName"]]
        rows = sorted(rows, key=lambda row: row.get(field, -math.inf), reverse=rule["desc"])
    return rows


def _states(
    figure: Any,
    box: Box,
    panel: Json,
    answers: list[list[Json]],
    span: tuple[datetime, datetime],
) -> None:
    defaults, series = panel["fieldConfig"]["defaults"], _named(panel, answers)
    axes = _time_axes(figure, box, 1, span)
    axes.grid(visible=False, axis="y")
    seen: dict[str, str] = {}
    for index, (_, one) in enumerate(series):
        times, values = _points(one)
        step = times[1] - times[0] if len(times) > 1 else span[1] - span[0]
        for at, value in zip(times, values, strict=True):
            if math.isnan(value):
                continue
            text, colour = _shown(value, defaults)
            seen[text] = colour
            width = mdates.date2num(at + step) - mdates.date2num(at)
            axes.barh(-index, width, 0.72, left=mdates.date2num(at), color=colour, lw=0)
    axes.set_xlim(*span)
    axes.set_ylim(-len(series) + 0.5, 0.5)
    names = [name for name, _ in series]
    shift = 6.0 * max(map(len, names)) / 1440 - 48 / 1440
    if shift > 0:
        place = axes.get_position()
        axes.set_position((place.x0 + shift, place.y0, place.width - shift, place.height))
    axes.set_yticks([-index for index in range(len(names))], names)
    for text, colour in seen.items():
        axes.bar(0, 0, color=colour, label=text)
    axes.legend(loc="lower left", bbox_to_anchor=box[:2], bbox_transform=figure.transFigure,
                ncols=4, frameon=False, fontsize=7.5, handlelength=1, borderpad=0,
                borderaxespad=0)  # fmt: skip
