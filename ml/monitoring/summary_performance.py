"""The summary page: how good the answers were, and what the newest version changed."""

from ml.evaluation.results import Interval
from ml.monitoring.results import PerformanceResult, Period, SinceVersion, WatchReport
from ml.monitoring.summary import sentence
from ml.monitoring.summary_blocks import chip, keep, percent, table, text, tile
from ml.monitoring.whisker import whisker
from ml.params import MonitoringParams

_NO_LABELS, _NO_ESTIMATE = "too few labels", "not estimated"
_VERDICTS = {
    "removed": ("quiet", "drift ended, sensitivity rose"),
    "quiet": ("quiet", "drift ended"),
    "persists": ("drifted", "drift goes on"),
    "worse": ("drifted", "sensitivity fell"),
    "undecided": ("insufficient", "undecided"),
    "nothing": ("insufficient", "no drift before"),
}


def tiles(report: WatchReport) -> str:
    """The five numbers to take along."""
    drift, performance = report.drift, report.performance
    measured, estimated = performance.measured, performance.estimated
    label = performance.critical_label
    referral = next((signal for signal in drift.signals if signal.kind == "referral"), None)
    places = [place for place in drift.slices if place.state == "drifted"]
    return (
        '<div class="tiles">'
        + tile(
            "signals moved",
            f"{len(drift.moved)} of {len(drift.signals)}" if drift.signals else "–",
            f"{len(places)} of {len(drift.slices)} sites and scanners"
            if drift.slices
            else "no site or scanner told",
        )
        + _share_tile(f"{label} sensitivity, measured", measured.critical_sensitivity, _NO_LABELS)
        + _share_tile(
            f"{label} sensitivity, estimated", estimated.critical_sensitivity, _NO_ESTIMATE,
            "doubtful: images moved" if estimated.doubts else "",
        )
        + tile(
            "referred to a person",
            "–" if referral is None or referral.current is None else f"{referral.current:.1%}",
            "" if referral is None or referral.reference is None
            else f"{referral.reference:.1%} on validation images",
        )
        + tile("answers", f"{drift.window.images:,}", f"{measured.labelled:,} with a label")
        + "</div>"
    )  # fmt: skip


def _share_tile(name: str, share: Interval | None, missing: str, doubt: str = "") -> str:
    if share is None:
        return tile(name, "–", missing)
    bounds = f"{share.lower:.0%} to {share.upper:.0%}"
    return tile(name, f"{share.estimate:.0%}", f"{bounds}{'; ' if doubt else ''}{doubt}")


def performance(found: PerformanceResult, params: MonitoringParams) -> str:
    """Measured beside estimated, with the floors."""
    floors = {
        "accuracy": params.accuracy_floor,
        "critical_sensitivity": params.critical_sensitivity_floor,
        "critical_specificity": None,
    }
    rows = []
    for metric, floor in floors.items():
        name = metric.replace("critical", found.critical_label).replace("_", " ")
        sides: tuple[Interval | None, Interval | None] = (
            getattr(found.measured, metric), getattr(found.estimated, metric),
        )  # fmt: skip
        decides = sides[0] or sides[1]
        low = bool(floor is not None and decides and decides.upper < floor)
        cells = [text(name), "–" if floor is None else f"{floor:.0%}"]
        for side, missing, hollow in zip(sides, (_NO_LABELS, _NO_ESTIMATE), (0, 1), strict=True):
            drawn = whisker(side, limit=floor, alarm=low, hollow=bool(hollow)) if side else ""
            cells += [drawn, text(percent(side, missing))]
        rows.append((cells, low))
    header = ("", "floor", "measured on labels", "", "estimated without labels", "")
    return table(header, rows) + f"<p>{text(' '.join(_told(found)))}</p>"


def _told(found: PerformanceResult) -> list[str]:
    measured, estimated = found.measured, found.estimated
    inside = sum(check.inside for check in found.checks)
    told = [sentence(measured.reason)]
    if measured.label_delay_hours is not None and measured.label_delay_hours_95 is not None:
        told.append(
            f"Half of the labels came within {_delay(measured.label_delay_hours)}, 95 % within "
            f"{_delay(measured.label_delay_hours_95)}."
        )
    if measured.overconfidence is not None:
        told.append(
            f"Confidence is {abs(measured.overconfidence.estimate):.1%} "
            f"{'above' if measured.overconfidence.estimate >= 0 else 'below'} accuracy."
        )
    told.append(f"The estimate is {estimated.reason}.")
    if estimated.doubts:
        told.append(f"It is doubtful: {'; '.join(estimated.doubts)}.")
    for item in found.late[-1:]:
        sensitivity = percent(item.measured.critical_sensitivity, "not to be told")
        told.append(
            f"By the labels known now, the window to {item.end:%Y-%m-%d} has an accuracy of "
            f"{percent(item.measured.accuracy)} and a {found.critical_label} "
            f"sensitivity of {sensitivity}."
        )
    if found.checks:
        told.append(
            f"Of {len(found.checks)} earlier estimates that labels came for, {inside} held."
        )
    return told


def _delay(hours: float) -> str:
    if hours < 1:
        return f"{60 * hours:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def since(found: SinceVersion) -> str:
    """Before the drift, while it lasted, and now."""
    start = found.start
    came = "put back" if start.by == "rollback" else "promoted"
    columns = [
        (name, item)
        for name, item in (
            ("before the drift", found.before),
            ("while it lasted", found.during),
            ("now", found.now),
        )
        if item is not None
    ]
    rows = [
        (
            [
                keep(f"{name}, version {item.model_version}"),
                keep(f"{item.end:%Y-%m-%d}"),
                chip(item.state),
                keep(f"{item.moved} of {item.tested}"),
                "–" if item.refer_share is None else f"{item.refer_share:.1%}",
                *_sensitivity(item),
            ],
            False,
        )
        for name, item in columns
    ]
    header = ("", "window to", "state", "moved", "referred", "sensitivity", "")
    return (
        f"<p>{chip(*_VERDICTS[found.verdict])} {text(sentence(found.text))}</p>"
        + table(header, rows)
        + f'<p class="muted">Version {text(start.version)} was {came} on '
        f"{start.at:%Y-%m-%d %H:%M %Z} in place of version {text(start.replaced)}, because: "
        f"{text(sentence(start.reason))} Filled dots are measured on labels, open ones estimated."
        "</p>"
    )


def _sensitivity(item: Period) -> tuple[str, str]:
    measured = item.measured_sensitivity
    shown = measured or item.estimated_sensitivity
    if shown is None:
        return "", _NO_LABELS
    return whisker(shown, hollow=measured is None), keep(percent(shown))
