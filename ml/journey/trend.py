"""A year of reports on one page, from their records."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ml.contract.errors import NotFound
from ml.journey.watched import decisions, version_starts, watch_history
from ml.journey.workspace import Workspace
from ml.monitoring.results import Mark, Trend, WatchReport
from ml.params import Params

TREND_FILE = "trend.html"
YEAR = timedelta(days=366)
log = logging.getLogger(__name__)


def write_trend(
    workspace: Workspace, params: Params, history: Sequence[WatchReport] | None = None
) -> Trend:
    """Write `trend.html` over the year before the newest window's end.

    Args:
        history: all reports, oldest first; read where None.

    Raises:
        NotFound: there is no report yet.
        Unavailable: the database does not answer.
    """
    from ml.monitoring.report import write_text
    from ml.monitoring.trend_page import render_trend

    trend = trend_of(workspace, watch_history(workspace) if history is None else history)
    path = trend_page(workspace)
    write_text(path, render_trend(trend, params.monitoring))
    log.info("Trend of %d reports: %s", len(trend.periods), path)
    return trend.model_copy(update={"page": str(path)})


def trend_of(workspace: Workspace, history: Sequence[WatchReport]) -> Trend:
    """The periods and marks of the newest year.

    Raises:
        NotFound: there is no report.
        Unavailable: the database does not answer.
    """
    from ml.monitoring.since import period

    if not history:
        raise NotFound("There is no drift report yet.", remedy="Make one with `vigie drift`.")
    since = history[-1].drift.window.end - YEAR
    shown = [report for report in history if report.drift.window.end > since]
    return Trend(
        critical_label=shown[-1].performance.critical_label,
        periods=[period(report) for report in shown],
        marks=[mark for mark in _marks(workspace) if mark.at > since],
    )


def _marks(workspace: Workspace) -> list[Mark]:
    asked = [
        Mark(at=decision.decided_at, kind="retrain", version=None, text=decision.reason)
        for decision in decisions(workspace)
        if decision.retrain
    ]
    told = {mark.text for mark in asked}
    started = [
        Mark(
            at=start.at,
            kind=start.by,
            version=start.version,
            text="the model that was asked for" if start.reason in told else start.reason,
        )
        for start in version_starts(workspace)
    ]
    return sorted([*asked, *started], key=_at)


def _at(mark: Mark) -> datetime:
    return mark.at


def trend_page(workspace: Workspace) -> Path:
    """Where the page is, once written."""
    return workspace.drift_reports / TREND_FILE
