"""The drift report in words, on one page."""

from collections.abc import Sequence

from ml.evaluation.markdown import interval_text, table
from ml.evaluation.results import Interval
from ml.monitoring.outlook import next_step, rule, why
from ml.monitoring.results import (
    DriftResult,
    PerformanceResult,
    RetrainDecision,
    SignalDrift,
    SinceVersion,
    SliceDrift,
    WatchReport,
)
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
    "referral": "referrals",
    "quality": "quality rejects",
    "origin": "mix of sites and scanners",
    "label_shift": "estimated mix of true labels",
}
_LISTED = 12


def render_summary(
    report: WatchReport,
    params: MonitoringParams,
    outlook: RetrainDecision | None = None,
    *,
    decided: bool = False,
) -> str:
    """What moved, how sure that is, and what happens next, as Markdown.

    Args:
        outlook: the retrain decision, or what it will be if nothing else comes.
        decided: `outlook` is the decision.
    """
    drift = report.drift
    parts = [
        f"# {headline(drift)}",
        f"{compared(drift)} State: **{drift.state}**. {sentence(drift.reason)}",
        *(_moved(drift) if drift.signals else []),
        *_slices(drift.slices),
        *_labels(drift),
        *_exemplars(drift),
        "## How good the answers were",
        *_performance(report.performance),
        *_since(report.since),
        "## What happens next",
        " ".join(
            filter(None, [next_step(drift, outlook, decided=decided), why(outlook), rule(params)])
        ),
    ]
    return "\n\n".join(parts) + "\n"


def headline(drift: DriftResult) -> str:
    """What was found, in a sentence."""
    return _HEADLINES[drift.state]


def compared(drift: DriftResult) -> str:
    """What was held against what, in a sentence."""
    window, reference = drift.window, drift.reference
    groups = f" of {reference.groups} independent groups" if reference.groups is not None else ""
    return (
        f"Model version {drift.model_version} (bundle {reference.bundle[:12]}), window "
        f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} ({window.end:%Z}): "
        f"{window.images:,} answers on {window.distinct:,} images, against {reference.images:,} "
        f"validation images{groups} of dataset {reference.dataset_id[:12]}."
    )


def most_moved(signals: Sequence[SignalDrift]) -> list[SignalDrift]:
    """Moved signals from the largest effect down, then the others likewise."""
    return sorted(signals, key=lambda signal: (not signal.drifted, -signal.effect))


def sentence(text: str) -> str:
    """The same, with a capital and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def number_text(value: float | None) -> str:
    """Three digits, whole from a thousand on, or a dash where there is no number."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def p_value_text(value: float) -> str:
    """A p-value as people read it."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def _moved(drift: DriftResult) -> list[str]:
    moved = most_moved(drift.moved)
    counts = [
        (words, f"{sum(signal.drifted for signal in of)} of {len(of)}")
        for kind, words in KINDS.items()
        if (of := [signal for signal in drift.signals if signal.kind == kind])
    ]
    hidden = len(moved) - _LISTED
    return [
        "## What moved",
        table(("signals", "moved"), counts),
        _signals(moved[:_LISTED]) if moved else "No signal of all images moved.",
        *([f"{hidden} more moved; all are in `report.json`."] if hidden > 0 else []),
        "The distance is the largest difference of the cumulative shares of a number, or half the "
        "sum of the differences of shares. A signal moved when its distance is large enough to "
        "matter and its p-value, corrected for all signals together, at most "
        f"{drift.false_discovery_rate:g}: without drift no more windows than "
        f"{drift.false_discovery_rate:.0%} alarm at all.",
    ]


def _signals(signals: Sequence[SignalDrift]) -> str:
    return table(
        ("signal", "kind", "reference", "window", "distance", "at least", "p, adjusted"),
        [
            (
                signal.name.replace("_", " "),
                KINDS[signal.kind],
                number_text(signal.reference),
                number_text(signal.current),
                _effect(signal),
                f"{signal.floor:.2f}",
                p_value_text(signal.adjusted_p_value),
            )
            for signal in signals
        ],
    )


def _effect(signal: SignalDrift) -> str:
    if not signal.drifted or signal.effect_lower is None or signal.effect_upper is None:
        return f"{signal.effect:.3f}"
    return f"{signal.effect:.3f} ({signal.effect_lower:.3f} to {signal.effect_upper:.3f})"


def _slices(slices: Sequence[SliceDrift]) -> list[str]:
    if not slices:
        return []
    ordered = sorted(slices, key=lambda item: (item.state != "drifted", -item.images))
    rows = [
        (
            f"{item.dimension} {item.value}",
            f"{item.images:,}",
            item.state,
            item.reason
            + (": " + ", ".join(s.name for s in most_moved(item.moved)[:3]) if item.moved else ""),
        )
        for item in ordered[:_LISTED]
    ]
    hidden = len(ordered) - len(rows)
    return [
        "## Sites and scanners",
        table(("where", "images", "state", "why"), rows),
        *([f"{hidden} more are in `report.json`."] if hidden > 0 else []),
    ]


def _labels(drift: DriftResult) -> list[str]:
    if not drift.label_shares:
        return []
    shift = drift.label_shift
    estimated = {item.label: item.current for item in shift.prevalence} if shift else {}
    rows = [
        (
            share.label,
            f"{share.reference:.1%}",
            f"{share.current:.1%}",
            _percent(estimated.get(share.label)),
        )
        for share in drift.label_shares
    ]
    note = f"The estimate {shift.reason}." if shift and shift.state == "ok" else ""
    if shift and shift.state != "ok":
        note = f"True labels are not estimated: {shift.reason}."
    return [
        "## Labels",
        table(("label", "answered, reference", "answered, window", "true, estimated"), rows),
        *([note] if note else []),
    ]


def _percent(interval: Interval | None) -> str:
    if interval is None:
        return "not estimated"
    return f"{interval.estimate:.1%} ({interval.lower:.1%} to {interval.upper:.1%})"


def _exemplars(drift: DriftResult) -> list[str]:
    if not drift.exemplars:
        return []
    rows = [(f"`{item.image_id}`", ", ".join(item.signals)) for item in drift.exemplars]
    return ["## Images to look at", table(("image", "unusual in"), rows)]


def _performance(performance: PerformanceResult) -> list[str]:
    measured, estimated = performance.measured, performance.estimated
    metrics = ("accuracy", "critical_sensitivity", "critical_specificity")
    rows = [
        (
            metric.replace("critical", performance.critical_label).replace("_", " "),
            interval_text(getattr(measured, metric)),
            interval_text(getattr(estimated, metric)),
        )
        for metric in metrics
    ]
    delay = (
        f" Half of the labels came within {measured.label_delay_hours:.1f} hours, 95 % within "
        f"{measured.label_delay_hours_95:.1f}."
        if measured.label_delay_hours is not None
        else ""
    )
    inside = sum(check.inside for check in performance.checks)
    checked = (
        f" Of {len(performance.checks)} earlier estimates that labels came for, {inside} held."
        if performance.checks
        else ""
    )
    doubts = f" **Doubtful**: {'; '.join(estimated.doubts)}." if estimated.doubts else ""
    return [
        table(("", "measured on labels", "estimated without labels"), rows),
        f"With labels: {sentence(measured.reason)}{delay}",
        f"Without labels: {sentence(estimated.reason)}{doubts}{checked}",
    ]


def _since(since: SinceVersion | None) -> list[str]:
    if since is None:
        return []
    return [f"## Since version {since.start.version}", sentence(since.text)]
