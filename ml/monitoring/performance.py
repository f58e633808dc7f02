"""How good the answers were, where people sent the true label back."""

from collections.abc import Sequence
from statistics import median

from ml.contract.records import FeedbackRecord, PredictionRecord
from ml.evaluation.intervals import wilson
from ml.evaluation.results import Interval
from ml.monitoring.results import PerformanceResult

_CONFIDENCE = 0.95
_MIN_LABELLED = 30


def measure_performance(
    records: Sequence[PredictionRecord],
    feedback: Sequence[FeedbackRecord],
    *,
    critical_label: str,
    labels: Sequence[str],
    confidence: float = _CONFIDENCE,
    min_labelled: int = _MIN_LABELLED,
) -> PerformanceResult:
    """Join answers with the newest label of each request.

    The images labelled are those that somebody looked at again, not a random sample: the numbers
    warn, they do not certify. Labels outside `labels` and feedback on other requests are left out.
    """
    newest = {
        item.request_id: item
        for item in sorted(feedback, key=lambda item: item.at)
        if item.label in labels
    }
    pairs = [(r, newest[r.request_id]) for r in records if r.request_id in newest]
    right = [record.label == label.label for record, label in pairs]
    critical = [
        record.label == critical_label for record, label in pairs if label.label == critical_label
    ]
    enough = len(pairs) >= min_labelled
    return PerformanceResult(
        answered=len(records),
        labelled=len(pairs),
        state="ok" if enough else "insufficient",
        critical_label=critical_label,
        accuracy=_share(right, confidence) if enough else None,
        critical_sensitivity=_share(critical, confidence) if enough else None,
        label_delay_hours=(
            median((label.at - record.at).total_seconds() / 3600 for record, label in pairs)
            if pairs
            else None
        ),
        reason=(
            f"{len(pairs)} of {len(records)} answers have a label, {len(critical)} of them "
            f"{critical_label}" + ("" if enough else f"; {min_labelled} needed to judge")
        ),
    )


def _share(hits: Sequence[bool], confidence: float) -> Interval | None:
    return wilson(sum(hits), len(hits), confidence) if hits else None
