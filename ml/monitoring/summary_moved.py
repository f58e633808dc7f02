"""The summary page: signals, places and images that moved."""

from collections.abc import Sequence

from ml.evaluation.results import Interval
from ml.monitoring.results import DriftResult, Exemplar, SignalDrift, SliceDrift
from ml.monitoring.summary import KINDS, most_moved, number_text, p_value_text
from ml.monitoring.summary_blocks import chip, keep, table, text
from ml.monitoring.whisker import whisker

_MOVED, _QUIET, _PLACES = 8, 3, 8
_LONGEST = 40  # clients write what they like
_HEADER = (
    "signal", "what it is", "reference → now", "distance and interval", "", "p, adjusted",
)  # fmt: skip


def moved(drift: DriftResult) -> str:
    """What moved the furthest; where nothing did, what came closest to it."""
    ordered = most_moved(drift.signals)
    count = len(drift.moved)
    shown = ordered[: min(count, _MOVED) or _QUIET]
    rows = table(_HEADER, [(_signal(signal), signal.drifted) for signal in shown])
    if not count:
        return f"<p>No signal of all images moved. These came closest:</p>{rows}"
    left = count - len(shown)
    more = f'<p class="muted">{left} more moved; all are in report.html.</p>' if left else ""
    return rows + more


def _signal(signal: SignalDrift) -> list[str]:
    known = signal.effect_lower is not None and signal.effect_upper is not None
    interval = Interval(
        estimate=signal.effect,
        lower=signal.effect if signal.effect_lower is None else signal.effect_lower,
        upper=signal.effect if signal.effect_upper is None else signal.effect_upper,
        n=round(signal.current_worth),
    )
    means = signal.reference is not None or signal.current is not None
    return [
        keep(signal.name.replace("_", " ")),
        text(KINDS[signal.kind]),
        keep(f"{number_text(signal.reference)} → {number_text(signal.current)}")
        if means
        else "a mix",
        whisker(interval, limit=signal.floor, alarm=signal.drifted),
        keep(
            f"{signal.effect:.2f}"
            + (f" ({interval.lower:.2f}–{interval.upper:.2f})" if known and signal.drifted else "")
        ),
        keep(p_value_text(signal.adjusted_p_value)),
    ]


def slices(places: Sequence[SliceDrift]) -> str:
    """Each site and scanner: moved, quiet, or too few images to say."""
    order = {"drifted": 0, "quiet": 1, "insufficient": 2}
    ordered = sorted(places, key=lambda place: (order[place.state], -place.images))
    left = len(ordered) - _PLACES
    rows = [
        (
            [
                keep(f"{place.dimension} {place.value}"[:_LONGEST]),
                f"{place.images:,}",
                f"{place.reference_images:,}",
                chip(place.state, "insufficient n" if place.state == "insufficient" else ""),
                text(_why(place)),
            ],
            place.state == "drifted",
        )
        for place in ordered[:_PLACES]
    ]
    more = f'<p class="muted">{left} more are in report.json.</p>' if left > 0 else ""
    return table(("where", "answers", "reference", "state", "why"), rows) + more


def _why(place: SliceDrift) -> str:
    furthest = ", ".join(
        f"{signal.name.replace('_', ' ')} by {signal.effect:.2f}"
        for signal in most_moved(place.moved)[:2]
    )
    return place.reason + (f": {furthest}" if furthest else "")


def exemplars(images: Sequence[Exemplar]) -> str:
    """Ids, and what is unusual in each."""
    rows = [
        (
            [
                f"<code>{text(image.image_id)}</code>",
                text(", ".join(image.signals).replace("_", " ")),
            ],
            False,
        )
        for image in images
    ]
    return table(("image", "unusual in"), rows)
