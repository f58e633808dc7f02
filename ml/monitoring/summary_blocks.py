"""Pieces that the pages of monitoring are made of. All text is escaped here."""

import html
from collections.abc import Sequence

from ml.evaluation.results import Interval

STYLE = """
main { max-width: 60rem; padding-bottom: 2rem; }
h1 { margin: .3rem 0 .4rem; font-size: 1.55rem; }
h2 { margin: 1.3rem 0 .3rem; padding-top: .7rem; font-size: 1.1rem; break-after: avoid; }
p, ul { max-width: none; margin: .35rem 0; }
.lead { font-size: 1.05rem; }
.muted, .muted p { color: #52606d; font-size: .86rem; }
.chip { display: inline-block; border-radius: 3px; padding: .05rem .5rem; font-weight: 600;
        font-size: .86rem; border: 1px solid; white-space: nowrap; }
.quiet.chip { color: #00694f; background: #e7f5f0; }
.drifted.chip { color: #a03f00; background: #fdeee3; }
.insufficient.chip { color: #52606d; background: #f3f5f7; }
.strip { color: #52606d; font-size: .86rem; margin-left: .8rem; white-space: nowrap; }
.strip i { display: inline-block; width: .8rem; height: .8rem; margin-right: .2rem;
           border-radius: 2px; vertical-align: -1px; }
i.quiet { background: #009e73; } i.drifted { background: #d55e00; }
i.insufficient { background: #cbd2d9; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .7rem;
         margin: .9rem 0; }
.tile { border: 1px solid #e4e7eb; border-radius: 6px; padding: .5rem .8rem; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.25;
          font-variant-numeric: tabular-nums; }
.tile span { color: #52606d; font-size: .86rem; display: block; }
table { width: 100%; } .table { margin: .3rem 0; }
td, th { padding: .22rem .8rem .22rem 0; vertical-align: middle; }
td.number, th.number { text-align: right; }
tr.moved td:first-child { font-weight: 600; }
.whisker { display: block; }
td code { font-size: .8rem; }
.keep { white-space: nowrap; }
footer { margin-top: 1.3rem; padding-top: .6rem; border-top: 1px solid #e4e7eb; }
@page { size: A4; margin: 10mm; }
@media print {
  html, body { font-size: 11px; line-height: 1.3; }
  body { print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  h2 { margin: .7rem 0 .1rem; padding-top: .4rem; }
  p, ul, .table { margin: .2rem 0; }
  .table { overflow: visible; }
  td, th { padding-top: .05rem; padding-bottom: .05rem; }
  .tiles { grid-template-columns: repeat(5, 1fr); margin: .5rem 0; }
  .tile { padding: .3rem .6rem; }
  tr, .tile { break-inside: avoid; }
  footer { margin-top: .7rem; padding-top: .3rem; }
}
"""


def text(value: object) -> str:
    """Escaped."""
    return html.escape(str(value))


def keep(value: object) -> str:
    """Escaped, on one line."""
    return f'<span class="keep">{text(value)}</span>'


def chip(state: str, words: str = "") -> str:
    """A state as a coloured word."""
    return f'<span class="chip {text(state)}">{text(words or state)}</span>'


def section(title: str, body: str) -> str:
    """A heading and what is under it, which is HTML already."""
    return f"<section><h2>{title}</h2>{body}</section>"


def tile(name: str, value: str, note: str) -> str:
    """One number that a person takes along."""
    return (
        f'<div class="tile"><span>{text(name)}</span><b>{text(value)}</b>'
        f"<span>{text(note)}</span></div>"
    )


def table(header: Sequence[str], rows: Sequence[tuple[Sequence[str], bool]]) -> str:
    """Cells are HTML already; numbers begin with a digit or a sign and stand to the right.

    Args:
        rows: cells, and whether the row is one that moved.
    """
    head = "".join(f"<th>{text(name)}</th>" for name in header)
    body = "".join(
        f"<tr{' class=moved' if stands_out else ''}>"
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
        for cells, stands_out in rows
    )
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'


def percent(interval: Interval | None, missing: str = "–") -> str:
    """`91 % (85–95)`."""
    if interval is None:
        return missing
    return f"{interval.estimate:.0%} ({100 * interval.lower:.0f}–{100 * interval.upper:.0f})"
