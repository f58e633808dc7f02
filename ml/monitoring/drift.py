"""Stage 13, the measurement: which signals of a window moved, and whether the window drifted.

The signals of all images are one family, those of all slices another: within each, p-values are
corrected together by Benjamini & Hochberg (1995), and the families share the false discovery rate
equally. So the chance that a window without drift alarms is at most that rate. Beyond that an
effect must be large enough to matter (docs/adr/0018).
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scipy.stats import false_discovery_control

from ml.monitoring.distance import Tested
from ml.monitoring.exemplars import choose_exemplars
from ml.monitoring.label_shift import estimate_label_shift
from ml.monitoring.observe import Observation
from ml.monitoring.reference import TRUTH, Reference
from ml.monitoring.results import (
    DriftResult,
    DriftState,
    LabelShare,
    LabelShift,
    SignalDrift,
    SliceDrift,
    WindowFacts,
)
from ml.monitoring.signals import Signal
from ml.monitoring.windows import ANSWER
from ml.params import MonitoringParams

log = logging.getLogger(__name__)
_Slice = tuple[str, str]
_LABEL_SHIFT = Signal("label_shift", "label_shift")


@dataclass(frozen=True, slots=True)
class _Found:
    """A test of one signal, in a slice or (None) of all images."""

    place: _Slice | None
    signal: Signal
    tested: Tested


def measure_drift(
    reference: Reference,
    observation: Observation,
    *,
    params: MonitoringParams,
    model_version: str,
    window_start: datetime,
    window_end: datetime,
) -> DriftResult:
    """Compare a window with the reference of the model that answered in it.

    The window drifted when any signal moved. With fewer than `params.min_window_images` independent
    images nothing is tested: the state is `insufficient`.
    """
    repeats, scopes = observation.repeats, observation.scopes
    signals: list[SignalDrift] = []
    slices: list[SliceDrift] = []
    shift: LabelShift | None = None
    if repeats.effective >= params.min_window_images:
        worth = repeats.effective / repeats.images
        shift, shift_test = _label_shift(reference, observation, worth, params)
        found = [
            *(_Found(None, *test) for test in scopes.whole.tests(
                worth, at_least=params.min_window_images, confidence=params.confidence)),
            *([_Found(None, _LABEL_SHIFT, shift_test)] if shift_test else []),
            *(_Found(place, *test) for place, scope in scopes.slices.items()
              for test in scope.tests(
                  worth, at_least=params.min_slice_images, confidence=params.confidence)),
        ]  # fmt: skip
        judged = [item for family in _families(found) for item in _judge(*family, params)]
        signals = [signal for place, signal in judged if place is None]
        slices = _slices(observation, judged, worth, params)
    state, reason = _verdict(signals, slices, repeats.effective, params)
    log.info("Model %s, %d images: %s, %s.", model_version, repeats.images, state, reason)
    moved = [signal for signal in signals if signal.drifted]
    return DriftResult(
        report_id=_report_id(model_version, window_start, window_end, repeats.images),
        model_version=model_version,
        reference=reference.facts,
        window=WindowFacts(
            start=window_start,
            end=window_end,
            images=repeats.images,
            distinct=repeats.distinct,
            effective=repeats.effective,
            drawn=len(observation.sample),
        ),
        state=state,
        false_discovery_rate=params.false_discovery_rate,
        drifted_share=len(moved) / len(signals) if signals else 0.0,
        signals=signals,
        slices=slices,
        label_shares=_label_shares(observation) if signals else [],
        label_shift=shift,
        exemplars=choose_exemplars(reference.rows, observation.sample, moved, params.exemplars)
        if moved
        else [],
        reason=reason,
    )


def _label_shift(
    reference: Reference, observation: Observation, worth: float, params: MonitoringParams
) -> tuple[LabelShift, Tested | None]:
    answers = observation.scopes.answers()
    labels = reference.bundle.labels
    return estimate_label_shift(
        reference.label_indices(ANSWER),
        reference.label_indices(TRUTH),
        reference.groups,
        answers.current[: len(labels)],
        window_worth=answers.worth_of(worth),
        labels=labels,
        confidence=params.confidence,
    )


def _families(found: Sequence[_Found]) -> list[tuple[list[_Found], int]]:
    """The tests of all images, those of slices, and among how many families the rate is shared."""
    whole = [item for item in found if item.place is None]
    slices = [item for item in found if item.place is not None]
    families = [family for family in (whole, slices) if family]
    return [(family, len(families)) for family in families]


def _judge(
    found: Sequence[_Found], families: int, params: MonitoringParams
) -> list[tuple[_Slice | None, SignalDrift]]:
    adjusted = families * false_discovery_control([item.tested.p_value for item in found])
    judged = []
    for item, adjusted_p in zip(found, adjusted, strict=True):
        test, signal = item.tested, item.signal
        floor = params.distance_floor if signal.is_distance else params.share_floor
        moved = adjusted_p <= params.false_discovery_rate and test.effect >= floor
        drift = SignalDrift(
            name=signal.name,
            kind=signal.kind,
            test=test.test,
            statistic=test.statistic,
            p_value=test.p_value,
            adjusted_p_value=min(1.0, float(adjusted_p)),
            effect=test.effect,
            effect_lower=test.bounds[0],
            effect_upper=test.bounds[1],
            floor=floor,
            drifted=bool(moved),
            reference=test.reference,
            current=test.current,
            reference_worth=test.reference_worth,
            current_worth=test.current_worth,
        )
        judged.append((item.place, drift))
    return judged


def _slices(
    observation: Observation,
    judged: Sequence[tuple[_Slice | None, SignalDrift]],
    worth: float,
    params: MonitoringParams,
) -> list[SliceDrift]:
    scopes = observation.scopes
    results = []
    for place, scope in scopes.slices.items():
        tested = [signal for where, signal in judged if where == place]
        moved = [signal for signal in tested if signal.drifted]
        if not tested:
            reason = (
                f"{scope.images * worth:.0f} independent images in the window, "
                f"{params.min_slice_images} needed"
            )
        else:
            reason = f"{len(moved)} of {len(tested)} signals moved"
        results.append(_slice(place, scope.images, scope.reference_images, tested, moved, reason))
    for place, images in scopes.others.items():
        known = scopes.reference_counts.get(place, 0)
        reason = f"{known} images in the reference, {params.min_slice_images} needed"
        results.append(_slice(place, images, known, [], [], reason))
    return sorted(results, key=lambda item: (item.dimension, item.value))


def _slice(
    place: _Slice,
    images: int,
    reference_images: int,
    tested: Sequence[SignalDrift],
    moved: Sequence[SignalDrift],
    reason: str,
) -> SliceDrift:
    state = ("drifted" if moved else "quiet") if tested else "insufficient"
    return SliceDrift.model_validate(
        {
            "dimension": place[0],
            "value": place[1],
            "images": images,
            "reference_images": reference_images,
            "state": state,
            "tested": len(tested),
            "moved": list(moved),
            "reason": reason,
        }
    )


def _verdict(
    signals: Sequence[SignalDrift],
    slices: Sequence[SliceDrift],
    effective: float,
    params: MonitoringParams,
) -> tuple[DriftState, str]:
    if not signals:
        return (
            "insufficient",
            f"{effective:.0f} independent images in the window, {params.min_window_images} "
            "needed to judge",
        )
    moved = [signal for signal in signals if signal.drifted]
    places = [f"{item.dimension} {item.value}" for item in slices if item.state == "drifted"]
    told = f"{len(moved)} of {len(signals)} signals moved"
    if moved:
        most = max(moved, key=lambda signal: signal.effect)
        told += f", {most.name.replace('_', ' ')} the furthest (by {most.effect:.2f})"
    if places:
        told += f", {'also' if moved else 'but some did'} within {', '.join(places)}"
    return ("drifted" if moved or places else "quiet"), told


def _label_shares(observation: Observation) -> list[LabelShare]:
    answers = observation.scopes.answers()
    before, now = answers.reference / answers.reference.sum(), answers.current / max(
        1, answers.current.sum()
    )  # fmt: skip
    return [
        LabelShare(label=label, reference=float(before[index]), current=float(now[index]))
        for index, label in enumerate(answers.names[:-1])
    ]


def _report_id(version: str, start: datetime, end: datetime, images: int) -> str:
    facts = f"{version} {start.isoformat()} {end.isoformat()} {images}"
    return f"{end:%Y%m%dT%H%M%S}-v{version}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"
