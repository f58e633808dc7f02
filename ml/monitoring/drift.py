"""Stage 13, the measurement: which signals of a window moved, and whether the window drifted."""

import hashlib
import logging
from datetime import datetime

import pandas as pd

from ml.monitoring.comparison import compare, sampled
from ml.monitoring.results import DriftResult, DriftState, LabelShare, SignalDrift
from ml.monitoring.signals import Signal, signals_of
from ml.monitoring.statistic import STATISTICS, chance_scores
from ml.monitoring.windows import ANSWER
from ml.params import MonitoringParams

log = logging.getLogger(__name__)


def measure_drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    params: MonitoringParams,
    model_version: str,
    window_start: datetime,
    window_end: datetime,
) -> DriftResult:
    """Compare a window with the reference, signal by signal, with Evidently.

    A signal moved when its score passes its own limit (`ml.monitoring.statistic`); the window
    drifted when at least `params.drifted_share` of all signals moved. With fewer than
    `params.min_window_images` images nothing is measured: the state is `insufficient`.

    Args:
        reference: from `frame_from_reference`; beyond `params.max_window_images` it is sampled.
        current: from `frame_from_records`; sampled likewise.

    Raises:
        WindowInvalid: the window lacks a column of the reference.
    """
    images = len(current)
    signals: list[SignalDrift] = []
    shares: list[LabelShare] = []
    if images >= params.min_window_images:
        reference = sampled(reference, params.max_window_images)
        current = sampled(current, params.max_window_images)
        signals = _measure(reference, current, params)
        shares = _label_shares(reference, current)
    moved = sum(signal.drifted for signal in signals)
    share = moved / len(signals) if signals else 0.0
    state: DriftState = "drifted" if share >= params.drifted_share else "quiet"
    if not signals:
        state = "insufficient"
        reason = f"{images} images in the window, {params.min_window_images} needed to judge"
    else:
        reason = (
            f"{moved} of {len(signals)} signals moved ({share:.0%}); "
            f"a window counts as drifted from {params.drifted_share:.0%}"
        )
    log.info("Model %s, %d images: %s, %s.", model_version, images, state, reason)
    return DriftResult(
        report_id=_report_id(model_version, window_start, window_end, images),
        model_version=model_version,
        window_start=window_start,
        window_end=window_end,
        images=images,
        reference_images=len(reference),
        state=state,
        statistic=params.statistic,
        drifted_share=share,
        signals=signals,
        label_shares=shares,
        reason=reason,
    )


def _measure(
    reference: pd.DataFrame, current: pd.DataFrame, params: MonitoringParams
) -> list[SignalDrift]:
    statistic = STATISTICS[params.statistic]
    watched = signals_of(reference, current)
    limits = {
        signal.name: statistic.limit(
            chance_scores(
                statistic.test(signal.numerical),
                reference[signal.name],
                current[signal.name],
                numerical=signal.numerical,
                seed=index,
            ),
            params.drift_threshold,
        )
        for index, signal in enumerate(watched)
    }
    scores = compare(reference, current, watched, statistic, limits).scores
    return [
        SignalDrift(
            name=signal.name,
            kind=signal.kind,
            score=scores[signal.name],
            limit=limits[signal.name],
            drifted=statistic.passes(scores[signal.name], limits[signal.name]),
            reference=_mean(reference, signal),
            current=_mean(current, signal),
        )
        for signal in watched
    ]


def _mean(frame: pd.DataFrame, signal: Signal) -> float | None:
    return float(frame[signal.name].mean()) if signal.numerical else None


def _label_shares(reference: pd.DataFrame, current: pd.DataFrame) -> list[LabelShare]:
    before = reference[ANSWER].value_counts(normalize=True)
    now = current[ANSWER].value_counts(normalize=True)
    return [
        LabelShare(
            label=str(label),
            reference=float(before.get(label, 0.0)),
            current=float(now.get(label, 0.0)),
        )
        for label in sorted({*before.index, *now.index})
    ]


def _report_id(version: str, start: datetime, end: datetime, images: int) -> str:
    facts = f"{version} {start.isoformat()} {end.isoformat()} {images}"
    return f"{end:%Y%m%dT%H%M%S}-v{version}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"
