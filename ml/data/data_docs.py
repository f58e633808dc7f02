"""Data Docs: what the suites expect and what was seen, as one page that needs no network."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ml.data.checkpoint import Line, SuiteRun
from ml.evaluation.html_page import render_html
from ml.evaluation.markdown import table

_HEADINGS = {
    "incoming_image": "Each readable image",
    "batch": "The batch as a whole",
    "manifest": "The manifest with the batch in it",
    "dataset": "The dataset",
}
_CONSEQUENCE = {
    "row": "the image is rejected",
    "batch": "the batch is held",
    "manifest": "the batch is held",
    "dataset": "nothing is frozen",
}
_STYLE = """
main { max-width: 78rem; }
td:not(:nth-child(2), :nth-child(3)) { white-space: nowrap; }
td strong { color: #b42318; }
td em { color: #8a5a00; font-style: normal; font-weight: 600; }
"""


def write_data_docs(
    page: Path,
    *,
    title: str,
    verdict: str,
    files: Mapping[str, int],
    lists: Mapping[str, Sequence[str]],
    ran: Sequence[SuiteRun],
) -> Path:
    """Write the page of a validation; it shows measures and counts, no values of rows.

    Args:
        files: how many became what.
        lists: by heading, sentences that stand before the suites; empty ones are left out.
        ran: the suites, in the order in which they are shown.
    """
    blocks = [f"# {title}", f"> {verdict}"]
    if files:
        rows = [[name, f"{count:,}"] for name, count in files.items()]
        blocks.append(table(["files", ""], rows))
    for heading, sentences in lists.items():
        if sentences:
            blocks += [f"## {heading}", "\n".join(f"- {sentence}" for sentence in sentences)]
    for suite in ran:
        blocks += _suite(suite)
    page.parent.mkdir(parents=True, exist_ok=True)
    partial = page.with_name(f".{page.name}.part")
    partial.write_text(render_html(title, "\n\n".join(blocks), page.parent, _STYLE))
    partial.replace(page)
    return page


def counted(counts: Mapping[str, int]) -> str:
    """`normal 48, benign 37`."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _suite(suite: SuiteRun) -> list[str]:
    judged = [line for line in suite.lines if line.held is not None]
    held = sum(bool(line.held) for line in judged)
    rows = [
        [
            _mark(line),
            line.reason,
            _literal(line.expected),
            line.seen,
            _CONSEQUENCE[suite.level] if line.severity == "critical" else "a warning",
        ]
        for line in suite.lines
    ]
    return [
        f"## {_HEADINGS.get(suite.name, suite.name)}",
        f"{held} of {len(judged)} expectations of `expectations/{suite.name}.json` hold.",
        table(["", "fault", "expected", "seen", "otherwise"], rows),
    ]


def _mark(line: Line) -> str:
    if line.held is None:
        return "– not judged"
    if line.held:
        return "✓ holds"
    return "**✗ fails**" if line.severity == "critical" else "*! warns*"


def _literal(sentence: str) -> str:
    """Column names have underscores, which Markdown takes for emphasis."""
    return sentence.replace("_", "\\_").replace("*", "\\*")
