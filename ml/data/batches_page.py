"""The batches as a page: what became of each, in one line."""

from collections.abc import Sequence
from pathlib import Path

from ml.data.batches import Batch
from ml.evaluation.html_page import render_html
from ml.evaluation.markdown import table

_SHOWN = 200
_STYLE = """
main { max-width: 78rem; }
td:not(:last-child) { white-space: nowrap; }
td strong { color: #b42318; }
"""


def render_batches(batches: Sequence[Batch]) -> str:
    """A page of the newest batches, with links `validation/<batch id>` to each one's own."""
    held = [batch for batch in batches if batch.state == "held"]
    told = (
        f"> {len(held)} held: look at each, then take it with the DAG `vigie_accept` or `vigie "
        "batches accept ID`, or turn it away with `vigie batches discard ID`."
        if held
        else "No batch is held."
    )
    shown = [*held, *(batch for batch in batches if batch.state != "held")][:_SHOWN]
    rows = [
        [
            f"[{batch.batch_id}](validation/{batch.batch_id})" if batch.report else batch.batch_id,
            f"{batch.planned_at:%Y-%m-%d %H:%M %Z}",
            f"{batch.files:,}",
            f"**{batch.state}**" if batch.state == "held" else batch.state,
            batch.report.verdict if batch.report else "",
        ]
        for batch in shown
    ]
    blocks = ["# Batches", told, table(["batch", "planned", "files", "state", "verdict"], rows)]
    return render_html("Batches", "\n\n".join(blocks), Path(), _STYLE)
