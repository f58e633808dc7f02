"""Markdown pieces that cards and reports are made of."""

from collections.abc import Iterable, Sequence

from ml.evaluation.results import Interval


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; a pipe inside a cell is escaped so that a name cannot break the row."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def interval_text(interval: Interval | None) -> str:
    """`0.970 (0.914–0.990, n = 35)`, or that nothing could tell."""
    if interval is None:
        return "not measurable"
    return f"{interval.estimate:.3f} ({interval.lower:.3f}–{interval.upper:.3f}, n = {interval.n})"


def deeper(blocks: Iterable[str]) -> list[str]:
    """The blocks with their headings one level down."""
    return ["#" + block if block.startswith("#") else block for block in blocks]


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
