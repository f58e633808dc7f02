"""The drift report in words, on one page."""

from collections.abc import Sequence

from ml.evaluation.markdown import interval_text, table
from ml.monitoring.results import DriftResult, PerformanceResult, SignalDrift
from ml.params import MonitoringParams

_HEADLINES = {
    "quiet": "What arrives looks like what the model was validated on.",
    "drifted": "What arrives no longer looks like what the model was validated on.",
    "insufficient": "Too few images to judge.",
}
KINDS = {
    "image": "image statistics",
    "embedding": "what the model sees (embedding)",
    "score": "probabilities",
    "answer": "labels answered",
}
_LISTED = 12


def render_summary(
    drift: DriftResult, performance: PerformanceResult | None, params: MonitoringParams
) -> str:
    """What moved, how sure that is, and what happens next, as Markdown."""
    parts = [
        f"# {headline(drift)}",
        f"Model version {drift.model_version}, window {drift.window_start:%Y-%m-%d %H:%M} to "
        f"{drift.window_end:%Y-%m-%d %H:%M} ({drift.window_end:%Z}), {drift.images} images "
        f"against {drift.reference_images} validation images. "
        f"State: **{drift.state}**. {sentence(drift.reason)}",
        *(_moved(drift) if drift.signals else []),
        "## Where labels came back",
        _performance(performance),
        "## What happens next",
        _next(drift, params),
    ]
    return "\n\n".join(parts) + "\n"


def headline(drift: DriftResult) -> str:
    """What was found, in a sentence."""
    return _HEADLINES[drift.state]


def most_moved(signals: Sequence[SignalDrift]) -> list[SignalDrift]:
    """Moved signals from the furthest beyond its limit, then the others from the closest to it."""
    return sorted(
        signals,
        key=lambda signal: (
            not signal.drifted,
            abs(signal.score - signal.limit) * (-1 if signal.drifted else 1),
        ),
    )


def sentence(text: str) -> str:
    """The same, with a capital and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _moved(drift: DriftResult) -> list[str]:
    moved = [signal for signal in most_moved(drift.signals) if signal.drifted]
    counts = [
        (
            words,
            f"{sum(signal.drifted for signal in drift.signals if signal.kind == kind)} of "
            f"{sum(signal.kind == kind for signal in drift.signals)}",
        )
        for kind, words in KINDS.items()
    ]
    rows = [
        (
            signal.name.replace("_", " "),
            KINDS[signal.kind],
            "–" if signal.reference is None else f"{signal.reference:.3g}",
            "–" if signal.current is None else f"{signal.current:.3g}",
            f"{signal.score:.3f}",
            f"{signal.limit:.3f}",
        )
        for signal in moved[:_LISTED]
    ]
    hidden = len(moved) - len(rows)
    return [
        "## What moved",
        table(("signals", "moved"), counts),
        table(("signal", "kind", "reference mean", "window mean", "score", "limit"), rows)
        if rows
        else "No single signal passed its limit.",
        *([f"{hidden} more moved; all are in `report.json`."] if hidden > 0 else []),
        f"The score is Evidently's {drift.statistic.upper()}. Each limit is what random re-deals "
        "of these same images reach, plus the reviewed threshold: with fewer images a limit is "
        "further out, so that chance alone seldom moves a signal.",
        "## Labels answered",
        table(
            ("label", "reference", "window"),
            [
                (share.label, f"{share.reference:.1%}", f"{share.current:.1%}")
                for share in drift.label_shares
            ],
        ),
    ]


def _performance(performance: PerformanceResult | None) -> str:
    if performance is None:
        return "Not measured."
    if performance.state == "insufficient":
        return f"Not judged: {performance.reason}."
    delay = performance.label_delay_hours
    return (
        f"Accuracy {interval_text(performance.accuracy)}, {performance.critical_label} "
        f"sensitivity {interval_text(performance.critical_sensitivity)}. "
        f"{sentence(performance.reason)}"
        + (f" Half of the labels came within {delay:.1f} hours." if delay is not None else "")
    )


def _next(drift: DriftResult, params: MonitoringParams) -> str:
    pause = (
        f"at most once in {params.cooldown_days} days"
        if params.cooldown_days
        else "with no cool-down between requests"
    )
    rule = (
        f"A new model is asked for when {params.violations} of the last {params.windows} windows "
        f"drifted, the newest among them, {pause}. It has to pass every gate, like any other."
    )
    if drift.state == "drifted":
        return f"This window counts towards a retraining. {rule} Until then this model answers on."
    return f"This window asks for nothing. {rule}"
