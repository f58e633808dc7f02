"""The experiments as a Markdown page: what each is, how it did, and what the steps were worth."""

from collections.abc import Iterator

from ml.evaluation.experiment_table import (
    Difference,
    ExperimentRow,
    ExperimentTable,
    FailedExperiment,
    Row,
)
from ml.evaluation.markdown import table as markdown_table
from ml.evaluation.results import Interval

_READING = """\
Each estimate is followed by its {confidence:.0%} interval; images of one group count together.
Overlapping intervals of two rows do not mean that the rows are equal, and intervals apart are not
needed for a difference: both models answered the same images, so the second table compares them
image by image. There an interval that holds 0 means: not shown on {images} images; too few groups
are not measurable. Of many such intervals about one in {one_in} excludes 0 by chance. The test
split is looked at by every row: choose by validation, and let the gates judge the choice."""


def experiments_markdown(table: ExperimentTable) -> str:
    """The page, with a table per part and one of paired differences."""
    titles = table.titles()
    facts = (
        f"Dataset `{table.dataset_id}`, honest split: {table.images} test images of "
        f"{table.groups} groups, {table.critical_images} of them {table.critical_label}."
    )
    reading = _READING.format(
        confidence=table.confidence,
        images=table.images,
        one_in=round(1 / (1 - table.confidence)),
    )
    sections = ["# Experiments", facts, reading]
    for heading, rows in parts(table):
        body = [[row.title, *_cells(row, titles), *costs(row)] for row in rows]
        sections += [
            f"## {heading}",
            markdown_table(["", *titles.values(), "ms/image", "MB", "training s"], body),
            "\n".join(_about(row) for row in rows),
        ]
    compared = [
        [
            f"{row.title} − {title_of(table, row.difference)}",
            *(_change(row.difference, metric) for metric in titles),
        ]
        for row in table.measured
        if row.difference is not None
    ]
    alone = "; ".join(row.title for row in table.failed)
    sections += [
        "## Paired differences",
        markdown_table(["", *titles.values()], compared) if compared else "None could be taken.",
        "Bold: the interval excludes 0."
        + (f" Nothing is compared with what failed: {alone}." if alone else ""),
    ]
    return "\n\n".join(sections) + "\n"


def parts(table: ExperimentTable) -> Iterator[tuple[str, list[Row]]]:
    """Heading and rows of each part that was run."""
    for heading, rows in (
        ("The five experiments", table.part("experiments")),
        ("Remedies against rare classes, one by one", table.part("ablation")),
    ):
        if rows:
            yield heading, rows


def title_of(table: ExperimentTable, difference: Difference) -> str:
    """The title of the row that a difference is taken to."""
    return next(row.title for row in table.rows if row.name == difference.against)


def costs(row: Row) -> tuple[str, str, str]:
    """Milliseconds an image, size in MB and seconds of training; dashes for what failed."""
    if isinstance(row, FailedExperiment):
        return "–", "–", "–"
    return f"{row.latency_ms:.1f}", f"{row.size_mb:.1f}", f"{row.train_seconds:.0f}"


def _change_text(interval: Interval | None) -> str:
    """`+0.021 (−0.013 to +0.055)`."""
    if interval is None:
        return "not measurable"
    signed = [f"{value:+.3f}" for value in (interval.estimate, interval.lower, interval.upper)]
    return f"{signed[0]} ({signed[1]} to {signed[2]})".replace("-", "−")


def _about(row: Row) -> str:
    if isinstance(row, ExperimentRow):
        return f"- **{row.title}**: {row.description}."
    return f"- **{row.title}** failed: {row.reason} It was to be: {row.description}."


def _cells(row: Row, titles: dict[str, str]) -> list[str]:
    if isinstance(row, FailedExperiment):
        return ["failed", *["–"] * (len(titles) - 1)]
    intervals: list[Interval | None] = [getattr(row.metrics, metric) for metric in titles]
    return [
        "not measurable"
        if interval is None
        else f"{interval.estimate:.3f} ({interval.lower:.3f}–{interval.upper:.3f})"
        for interval in intervals
    ]


def _change(difference: Difference, metric: str) -> str:
    finding = difference.finding(metric)
    if finding == "no change":
        return finding
    text = _change_text(getattr(difference.metrics, metric))
    return f"**{text}**" if finding in ("better", "worse") else text
