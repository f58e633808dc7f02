"""Stage 13, what it leaves behind: a page to look at, a file to act on, a summary to read first."""

import os
from collections.abc import Sequence
from pathlib import Path

from ml.monitoring.observe import Observation
from ml.monitoring.page import put_head_on_page, write_unmeasured_page
from ml.monitoring.reference import Reference
from ml.monitoring.results import RetrainDecision, SignalDrift, WatchReport
from ml.monitoring.sample import drawn
from ml.monitoring.summary import most_moved, render_summary
from ml.monitoring.summary_page import render_summary_page
from ml.params import MonitoringParams

PAGE_FILE = "report.html"
DATA_FILE = "report.json"
SUMMARY_FILE, SUMMARY_PAGE_FILE = "summary.md", "summary.html"


def write_report(
    reference: Reference,
    observation: Observation,
    report: WatchReport,
    folder: Path,
    *,
    params: MonitoringParams,
    outlook: RetrainDecision | None = None,
    earlier: Sequence[WatchReport] = (),
) -> WatchReport:
    """Write `report.html`, the summary (`write_summary`) and, last, `report.json`.

    The page is Evidently's, of at most `params.page_images` images a side, under a head of ours.
    An unmeasured window gets a page that says so.

    Args:
        outlook: what the retrain decision will be if nothing else comes.
        earlier: reports before this one, oldest first.

    Returns:
        The report with the path of its page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drift = report.drift.model_copy(update={"report": str(folder / PAGE_FILE)})
    result = report.model_copy(update={"drift": drift})
    page = _partial(folder / PAGE_FILE)
    signals = _drawable(reference, observation, most_moved(drift.signals))
    if signals:
        # Evidently takes seconds to import.
        from ml.monitoring.comparison import write_evidently_page

        rows = drawn(reference.rows, params.page_images)
        write_evidently_page(rows, observation.sample, signals, drift.false_discovery_rate, page)
        put_head_on_page(drift, page)
    else:
        write_unmeasured_page(drift, page)
    page.replace(folder / PAGE_FILE)
    write_summary(result, folder, params=params, outlook=outlook, earlier=earlier)
    write_text(folder / DATA_FILE, result.model_dump_json(indent=2) + "\n")
    return result


def write_summary(
    report: WatchReport,
    folder: Path,
    *,
    params: MonitoringParams,
    outlook: RetrainDecision | None = None,
    earlier: Sequence[WatchReport] = (),
    decided: bool = False,
) -> list[Path]:
    """Write `summary.md` and `summary.html`; see `write_report`.

    Args:
        decided: `outlook` is the decision.

    Returns:
        Both files.
    """
    words, page = folder / SUMMARY_FILE, folder / SUMMARY_PAGE_FILE
    write_text(words, render_summary(report, params, outlook, decided=decided))
    write_text(page, render_summary_page(report, params, outlook, earlier, decided=decided))
    return [words, page]


def write_text(path: Path, text: str) -> None:
    """Write a file that readers see whole or not at all."""
    partial = _partial(path)
    partial.write_text(text)
    partial.replace(path)


def _drawable(
    reference: Reference, observation: Observation, signals: list[SignalDrift]
) -> list[SignalDrift]:
    """Those that are a column with values on both sides; a sample may miss a rare one."""
    sides = reference.rows, observation.sample
    return [
        signal
        for signal in signals
        if all(signal.name in side and side[signal.name].notna().any() for side in sides)
    ]


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
