"""Numbers as Grafana writes them, for the units that the panels use."""

import math

_STEPS = ((86400, "day"), (3600, "hour"), (60, "min"), (1, "s"))


def text_of(value: float, unit: str, decimals: int | None = None) -> str:
    """One number with its unit; a unit that no panel has is left out."""
    if not math.isfinite(value):
        return "–"
    if unit == "percentunit":
        return f"{_plain(100 * value, 1 if decimals is None else decimals)} %"
    if unit == "s":
        return _seconds(value, decimals)
    if unit == "dtdurations":
        return _duration(value, decimals)
    if unit == "bytes":
        return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB"), decimals)
    if unit == "reqps":
        return f"{_plain(value, decimals)} req/s"
    return _scaled(value, 1000, ("", "K", "M", "G"), decimals)


def _plain(value: float, decimals: int | None) -> str:
    if decimals is None:
        size = abs(value)
        decimals = 0 if size == 0 or size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3
        return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    return f"{value:.{decimals}f}"


def _seconds(value: float, decimals: int | None) -> str:
    if 0 < abs(value) < 1:
        return f"{_plain(1000 * value, None)} ms"
    return f"{_plain(value, decimals)} s"


def _duration(value: float, decimals: int | None) -> str:
    """The largest unit that it fills at least twice, so that nothing is rounded to one."""
    for size, name in _STEPS:
        if abs(value) >= 2 * size or size == 1:
            number = _plain(value / size, decimals)
            many = name in ("day", "hour") and number != "1"
            return f"{number} {name}{'s' if many else ''}"
    raise AssertionError


def _scaled(value: float, base: int, names: tuple[str, ...], decimals: int | None) -> str:
    step = 0
    while abs(value) >= base and step < len(names) - 1:
        value, step = value / base, step + 1
    return f"{_plain(value, decimals)} {names[step]}".rstrip()
