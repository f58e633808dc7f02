"""A year of reports as a page: charts, what happened meanwhile, and the way to each report."""

from ml.evaluation.html_page import page
from ml.monitoring.results import Mark, Period, Trend
from ml.monitoring.summary import sentence
from ml.monitoring.summary_blocks import STYLE, chip, percent, section, table, text, tile
from ml.monitoring.trend_figure import draw_trend
from ml.params import MonitoringParams

_KINDS = {"retrain": "new model asked for", "promote": "promoted", "rollback": "put back"}
_STYLE = f"""{STYLE}
main {{ max-width: 66rem; }}
figure {{ margin: 1rem 0; }} figure svg {{ width: 100%; height: auto; }}
figure svg text {{ font-family: system-ui, sans-serif; }}
@media print {{ figure svg {{ max-height: 230mm; }} }}
"""


def render_trend(trend: Trend, params: MonitoringParams) -> str:
    """One HTML file that loads nothing; its table leads to `<report id>/summary.html` beside it."""
    first, last = trend.periods[0], trend.periods[-1]
    marks = [_mark(mark) for mark in reversed(trend.marks)]
    blocks = [
        f"<header><p>{chip(last.state)} newest window, to <b>{last.end:%d %B %Y}</b></p>"
        f"<h1>Watch: {first.start:%B %Y} to {last.end:%B %Y}</h1></header>",
        _tiles(trend),
        f"<figure>{draw_trend(trend, params)}</figure>",
        section("What happened", f"<ul>{''.join(marks)}</ul>") if marks else "",
        section("Reports", _reports(trend)),
        '<footer class="muted"><p>Bars and dots stand at the end of their window. A window alarms '
        "where a signal of all images or of a site or scanner moved; <i>insufficient</i> ones "
        "were not tested. Sensitivity is measured on the labels that came back until the report "
        "was made, with its interval; the band is estimated from confidence, without labels. Not "
        "for clinical use.</p></footer>",
    ]
    return page("Watch: trend", "\n".join(filter(None, blocks)), _STYLE)


def _tiles(trend: Trend) -> str:
    tested = [period for period in trend.periods if period.state != "insufficient"]
    drifted = sum(period.state == "drifted" for period in tested)
    count = {kind: sum(mark.kind == kind for mark in trend.marks) for kind in _KINDS}
    last = trend.periods[-1]
    return (
        '<div class="tiles">'
        + tile(
            "windows", str(len(trend.periods)), f"{len(trend.periods) - len(tested)} insufficient"
        )
        + tile("alarms", str(drifted), f"of {len(tested)} windows judged")
        + tile(
            f"{trend.critical_label} sensitivity, newest",
            percent(last.measured_sensitivity or last.estimated_sensitivity),
            "measured" if last.measured_sensitivity else "estimated",
        )
        + tile("new models asked for", str(count["retrain"]), f"{count['promote']} promoted")
        + tile("answers", f"{sum(p.images for p in trend.periods):,}", "in all windows")
        + "</div>"
    )


def _mark(mark: Mark) -> str:
    version = f" version {text(mark.version)}" if mark.version else ""
    return (
        f"<li>{mark.at:%Y-%m-%d} <b>{_KINDS[mark.kind]}{version}</b>: "
        f"{text(sentence(mark.text))}</li>"
    )


def _reports(trend: Trend) -> str:
    rows = [(_row(period), period.state == "drifted") for period in reversed(trend.periods)]
    header = ("window to", "state", "moved", "sensitivity, measured", "estimated", "referred",
              "answers", "labels", "version")  # fmt: skip
    return table(header, rows)


def _row(period: Period) -> list[str]:
    return [
        f'<a href="{text(period.report_id)}/summary.html">{period.end:%Y-%m-%d}</a>',
        chip(period.state),
        f"{period.moved} of {period.tested}" if period.tested else "–",
        text(percent(period.measured_sensitivity)),
        text(percent(period.estimated_sensitivity)),
        "–" if period.refer_share is None else f"{period.refer_share:.1%}",
        f"{period.images:,}",
        f"{period.labelled:,}",
        text(period.model_version),
    ]
