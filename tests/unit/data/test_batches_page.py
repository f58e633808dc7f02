from datetime import UTC, datetime

from ml.data.batches import Batch
from ml.data.batches_page import render_batches
from ml.data.results import ValidationReport


def _batch(name: str, state: str, verdict: str | None) -> Batch:
    report = verdict and ValidationReport(
        batch_id=name, rows=9, accepted=0, rejected={}, warnings=[], held=state == "held",
        docs=None, verdict=verdict,
    )  # fmt: skip
    return Batch(
        batch_id=name,
        state=state,
        files=9,
        planned_at=datetime(2026, 5, 1, tzinfo=UTC),
        report=report or None,
    )


def test_held_batches_come_first_and_say_what_to_do() -> None:
    page = render_batches(
        [_batch("b1", "committed", "9 of 9 files accepted."), _batch("b2", "held", "Too bad.")]
    )
    assert page.index("Too bad.") < page.index("9 of 9 files accepted.")
    assert "1 held" in page
    assert "vigie_accept" in page
    assert '<a href="validation/b2">b2</a>' in page


def test_a_batch_that_was_not_validated_has_no_page_to_link_to() -> None:
    page = render_batches([_batch("b3", "planned", None)])
    assert "href" not in page
    assert "No batch is held." in page
