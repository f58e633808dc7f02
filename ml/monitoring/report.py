"""Stage 13, what it leaves behind: a page to look at, a file to act on, a summary to read first."""

import json
import os
from pathlib import Path

import pandas as pd

from ml.monitoring.comparison import compare, sampled
from ml.monitoring.page import put_head_on_page, write_unmeasured_page
from ml.monitoring.results import DriftResult, PerformanceResult
from ml.monitoring.signals import signals_of
from ml.monitoring.statistic import STATISTICS
from ml.monitoring.summary import most_moved, render_summary
from ml.params import MonitoringParams

PAGE_FILE = "report.html"
DATA_FILE = "report.json"
SUMMARY_FILE = "summary.md"
RESULT_FILE = "drift.json"


def write_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    drift: DriftResult,
    performance: PerformanceResult | None,
    folder: Path,
    *,
    params: MonitoringParams,
) -> DriftResult:
    """Write `report.html`, `report.json`, `summary.md` and, last, `drift.json`.

    The page is Evidently's under a head of ours, over the same rows and with the same limits as
    the decision, so both say the same. An unmeasured window gets a page that says so.

    Returns:
        The result with the path of its page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    result = drift.model_copy(update={"report": str(folder / PAGE_FILE)})
    page = _partial(folder / PAGE_FILE)
    if drift.signals:
        reference = sampled(reference, params.max_window_images)
        current = sampled(current, params.max_window_images)
        limits = {signal.name: signal.limit for signal in most_moved(drift.signals)}
        watched = {signal.name: signal for signal in signals_of(reference, current)}
        signals = [watched[name] for name in limits]
        compare(reference, current, signals, STATISTICS[drift.statistic], limits).save_html(page)
        put_head_on_page(result, page)
    else:
        write_unmeasured_page(result, page)
    page.replace(folder / PAGE_FILE)
    _write(folder / SUMMARY_FILE, render_summary(result, performance, params))
    facts = {
        "drift": result.model_dump(mode="json"),
        "performance": performance.model_dump(mode="json") if performance else None,
    }
    _write(folder / DATA_FILE, json.dumps(facts, indent=2) + "\n")
    _write(folder / RESULT_FILE, result.model_dump_json(indent=2) + "\n")
    return result


def _write(path: Path, text: str) -> None:
    partial = _partial(path)
    partial.write_text(text)
    partial.replace(path)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
