"""The page's head: what was found, before Evidently's charts of every signal."""

import html
from pathlib import Path

from ml.contract.errors import VigieError
from ml.monitoring.results import DriftResult, SignalDrift
from ml.monitoring.summary import (
    KINDS,
    compared,
    headline,
    most_moved,
    number_text,
    p_value_text,
    sentence,
)

_BODY = "<body>"
_STYLE = """
.vigie { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; background: #fff;
         max-width: 72rem; margin: 0 auto; padding: 2rem 1.5rem 1rem; }
.vigie h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
.vigie table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
.vigie th, .vigie td { text-align: left; padding: .3rem .8rem .3rem 0;
                       border-bottom: 1px solid #e4e7eb; }
.vigie td.number, .vigie th.number { text-align: right; font-variant-numeric: tabular-nums; }
.vigie tr.moved td { font-weight: 600; }
.vigie p { margin: .4rem 0; } .vigie .muted { color: #6b7785; }
"""


def write_unmeasured_page(drift: DriftResult, path: Path) -> None:
    """The page of a window that was too small to compare."""
    title = html.escape(headline(drift))
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"{_BODY}{_head(drift)}</body></html>\n"
    )


def put_head_on_page(drift: DriftResult, path: Path) -> None:
    """Place the findings at the top of Evidently's page.

    Raises:
        VigieError: the page has no body, so Evidently's output has changed.
    """
    page = path.read_text()
    if page.count(_BODY) != 1:
        raise VigieError(
            "Evidently's page does not have the expected form.",
            remedy="Pin the version of Evidently that the lock names.",
        )
    path.write_text(page.replace(_BODY, _BODY + _head(drift)))


def _head(drift: DriftResult) -> str:
    rows = "".join(_row(signal) for signal in most_moved(drift.signals))
    table = (
        '<table><tr><th>signal</th><th>kind</th><th class="number">reference</th>'
        '<th class="number">window</th><th class="number">distance</th>'
        '<th class="number">at least</th><th class="number">p, adjusted</th><th></th></tr>'
        f"{rows}</table>"
        f'<p class="muted">A signal moved when its adjusted p-value is at most '
        f"{drift.false_discovery_rate:g} and its distance large enough to matter. Charts of every "
        f"signal follow in this order; they draw {drift.window.drawn:,} of the window's "
        f"{drift.window.images:,} images. Nothing was judged on a sample.</p>"
        if rows
        else ""
    )
    return (
        f'<style>{_STYLE}</style><div class="vigie"><h1>{html.escape(headline(drift))}</h1>'
        f"<p>{html.escape(sentence(drift.reason))}</p>"
        f'<p class="muted">{html.escape(compared(drift))}</p>{table}</div>'
    )


def _row(signal: SignalDrift) -> str:
    numbers = (
        number_text(signal.reference),
        number_text(signal.current),
        f"{signal.effect:.3f}",
        f"{signal.floor:.2f}",
        p_value_text(signal.adjusted_p_value),
    )
    return (
        f"<tr{' class=moved' if signal.drifted else ''}>"
        f"<td>{html.escape(signal.name.replace('_', ' '))}</td><td>{KINDS[signal.kind]}</td>"
        + "".join(f'<td class="number">{html.escape(number)}</td>' for number in numbers)
        + f"<td>{'moved' if signal.drifted else ''}</td></tr>"
    )
