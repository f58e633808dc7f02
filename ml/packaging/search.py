"""Which int8 setting a member is served with, if any: measured, not believed."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy.typing as npt

from ml.packaging.cost import cpu_ms
from ml.packaging.graph import Floats
from ml.packaging.parity import compare
from ml.packaging.quantize import quantize_member
from ml.packaging.results import Candidate
from ml.params import QuantizationParams

logger = logging.getLogger(__name__)

SEARCH_FILE = "quantization.md"
_FLOAT, _INT8 = "fp32", "int8"


@dataclass(frozen=True, slots=True)
class Judged:
    """Images on which int8 is compared with float, as the model takes them.

    `inputs` is float32 (n, height, width, channels), `labels` int (n,), `critical` the index of
    the label that must not be missed.
    """

    inputs: Floats
    labels: npt.NDArray
    critical: int


def search(
    float_onnx: Path,
    out: Path,
    *,
    calibration_inputs: Floats,
    judged: Judged,
    params: QuantizationParams,
) -> list[Candidate]:
    """Try all candidates, one at a time; the best is left in `out`, if any is good enough.

    Good enough: at most `max_flip_rate` of the labels change, the critical label's sensitivity
    falls by at most `max_critical_loss`, and the CPU time by at least `min_saving`. The cheapest
    of these wins.

    Returns:
        One row a candidate, in the order of `params.candidates`.

    Raises:
        InputError: there is no calibration image.
        BundleInvalid: a graph cannot be loaded.
    """
    rows: list[Candidate] = []
    best: float | None = None
    trial = out.with_name(f".{out.name}.trial")
    out.unlink(missing_ok=True)
    try:
        for setting in params.candidates:
            started = time.monotonic()
            quantize_member(float_onnx, calibration_inputs, trial, setting=setting)
            parity = compare(
                float_onnx, trial, judged.inputs, labels=judged.labels, critical=judged.critical
            )
            cost = cpu_ms({_FLOAT: float_onnx, _INT8: trial}, judged.inputs)
            row = Candidate(
                setting=setting.name,
                parity=parity,
                cpu_ms=cost[_INT8],
                float_cpu_ms=cost[_FLOAT],
                seconds=round(time.monotonic() - started, 2),
                failing=[],
            )
            row = row.model_copy(update={"failing": _failing(row, params)})
            rows.append(row)
            # Ratios, not milliseconds: each candidate was measured beside its own float run.
            if not row.failing and (best is None or row.cost_ratio < best):
                best = row.cost_ratio
                trial.replace(out)
            logger.info("%s with %s: %s", float_onnx.parent.name, setting.name, _verdict(row))
    finally:
        trial.unlink(missing_ok=True)
    return rows


def chosen(rows: Sequence[Candidate]) -> Candidate | None:
    """The cheapest candidate that fails nothing; None where all fail."""
    good = [row for row in rows if not row.failing]
    return min(good, key=lambda row: row.cost_ratio) if good else None


def search_table(member: str, rows: Sequence[Candidate], reason: str) -> str:
    """The search as Markdown."""
    lines = [
        f"# Quantization of {member}",
        "",
        f"{reason[:1].upper()}{reason[1:]}.",
        "",
        "| setting | label flips | critical sensitivity lost | CPU ms | fp32 CPU ms | ratio | |",
        "|---|---|---|---|---|---|---|",
    ]
    best = chosen(rows)
    for row in rows:
        verdict = "**chosen**" if row is best else _verdict(row)
        lines.append(
            f"| {row.setting} | {row.parity.flip_rate:.2%} | {row.parity.critical_loss:.2%} | "
            f"{row.cpu_ms:.2f} | {row.float_cpu_ms:.2f} | {row.cost_ratio:.2f} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def _failing(row: Candidate, params: QuantizationParams) -> list[str]:
    failing = []
    if row.parity.flip_rate > params.max_flip_rate:
        failing.append(f"changes {row.parity.flip_rate:.1%} of the labels")
    if row.parity.critical_loss > params.max_critical_loss:
        failing.append(f"loses {row.parity.critical_loss:.1%} of critical sensitivity")
    if row.cost_ratio > 1 - params.min_saving:
        failing.append(f"takes {row.cost_ratio:.0%} of the float graph's CPU time")
    return failing


def _verdict(row: Candidate) -> str:
    return ", ".join(row.failing) or "good enough"
