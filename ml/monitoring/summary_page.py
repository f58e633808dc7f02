"""The summary as a page to print: what a person who has a minute needs to know of a window."""

from collections.abc import Sequence

from ml.evaluation.html_page import page
from ml.monitoring.outlook import TRIGGERS, next_step, rule, why
from ml.monitoring.results import RetrainDecision, WatchReport
from ml.monitoring.summary import compared, headline, sentence
from ml.monitoring.summary_blocks import STYLE, chip, section, text
from ml.monitoring.summary_moved import exemplars, moved, slices
from ml.monitoring.summary_performance import performance, since, tiles
from ml.params import MonitoringParams

_RECENT = 12


def render_summary_page(
    report: WatchReport,
    params: MonitoringParams,
    outlook: RetrainDecision | None = None,
    earlier: Sequence[WatchReport] = (),
    *,
    decided: bool = False,
) -> str:
    """One HTML file that loads nothing.

    Args:
        outlook: the retrain decision, or what it will be if nothing else comes.
        earlier: reports before this one, oldest first.
        decided: `outlook` is the decision.
    """
    drift = report.drift
    blocks = [
        f"<header><p>{chip(drift.state)} {_dates(report)}{_strip(report, earlier)}</p>"
        f"<h1>{text(headline(drift))}</h1>"
        f'<p class="lead">{text(sentence(drift.reason))} '
        f"{text(next_step(drift, outlook, decided=decided))}</p></header>",
        tiles(report),
        section("What moved, and by how much", moved(drift)) if drift.signals else "",
        section("Sites and scanners", slices(drift.slices)) if drift.slices else "",
        section("How good the answers were", performance(report.performance, params)),
        section(f"Since version {text(report.since.start.version)}", since(report.since))
        if report.since
        else "",
        section("Images to look at", exemplars(drift.exemplars)) if drift.exemplars else "",
        section("What happens next", _next(report, params, outlook, decided=decided)),
        _small_print(report),
    ]
    return page(f"Watch {drift.report_id}", "\n".join(filter(None, blocks)), STYLE)


def _dates(report: WatchReport) -> str:
    window = report.drift.window
    return (
        f"<b>{window.start:%d %B %Y}</b> to <b>{window.end:%d %B %Y}</b>, model version "
        f"{text(report.drift.model_version)}"
    )


def _strip(report: WatchReport, earlier: Sequence[WatchReport]) -> str:
    """The newest windows' states as squares, this one last."""
    shown = [*earlier[1 - _RECENT :], report] if earlier else []
    squares = "".join(
        f'<i class="{item.drift.state}" title="{item.drift.window.end:%Y-%m-%d}: '
        f'{item.drift.state}"></i>'
        for item in shown
    )
    return f'<span class="strip">{squares} last {len(shown)} reports</span>' if shown else ""


def _next(
    report: WatchReport,
    params: MonitoringParams,
    outlook: RetrainDecision | None,
    *,
    decided: bool,
) -> str:
    reasons = "".join(
        f"<li><b>{TRIGGERS[reason.trigger]}.</b> {text(sentence(reason.text))}</li>"
        for reason in (outlook.reasons if outlook else ())
    )
    cooling = outlook is not None and bool(outlook.reasons) and not outlook.retrain
    return (
        f"<p>{text(next_step(report.drift, outlook, decided=decided))}"
        + ("" if reasons and not cooling else f" {text(why(outlook))}")
        + "</p>"
        + (f"<ul>{reasons}</ul>" if reasons and not cooling else "")
        + f'<p class="muted">{text(rule(params))}</p>'
    )


def _small_print(report: WatchReport) -> str:
    drift = report.drift
    sample = (
        f' Charts of every signal are in <a href="report.html">report.html</a>, which draws '
        f"{drift.window.drawn:,} of the {drift.window.images:,} answers; nothing was judged on a "
        "sample."
        if drift.signals
        else ""
    )
    return (
        f'<footer class="muted"><p>{text(compared(drift))} Report {text(drift.report_id)}.</p>'
        "<p>A signal moved when its distance is large enough to matter and its p-value, corrected "
        f"for all signals together, at most {drift.false_discovery_rate:g}: without drift no more "
        f"than {drift.false_discovery_rate:.0%} of windows alarm at all.{sample} "
        '<a href="../trend.html">A year of reports on one page.</a> Not for clinical use.</p>'
        "</footer>"
    )
