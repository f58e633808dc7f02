"""Does drift monitoring cry wolf, does it see what it must, and what does a report cost?

uv run python benchmarks/drift.py [--data DIR] [--json FILE] [--figure FILE]

On phantoms (patients with two to five images, three sites) and on the real images below --data
(near-duplicates as groups), a frozen MobileNetV2 with a logistic head stands for the model. Every
window comes with a new division of the groups: a fifth train the head, two fifths are the
reference, windows of 500 images are drawn from the rest. So a false alarm is counted over
references and windows alike. DIR has few images: its windows hold each image twice or more, which
their ids tell, and prove no more than the 100 to 250 different images that they are worth.

`false_alarm_rate`: share of windows without drift that alarm, of the worse data set.
`min_power`: least share of phantom windows that alarm over the planted shifts (gain +9 dB, blur by
2 pixels, all greyscales inverted, 2.5 times the malignant share, a new scanner, 70 % of images from
one site of three). `min_power_real`: on DIR (gain 1.5, blur, inverted, 3 times the share).
`cbpe_coverage`: share of windows without drift in which what labels show lies within the interval
that was estimated without them, of the worst metric and data set.
`evidently_*`: the same windows by Evidently's DataDriftPreset out of the box, which calls a dataset
drifted when half of its columns are; `any` counts windows with at least one drifted column.

`report_100k_s`, `report_rss_gb`, `html_mb`: `vigie drift` over 100,000 logged predictions, as a
process of its own; `rss_growth_1m`: its peak memory over a million against that.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))  # a bundle of the tests is of use here

from drift_figure import Curves, draw_power
from drift_images import Images, phantoms, real_images
from drift_scale import scale
from drift_windows import CRITICAL, Shift, Split, Window
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import DriftedColumnsCount
from figures import print_goals, write_figures

from ml.monitoring.drift import measure_drift
from ml.monitoring.estimate import Estimator
from ml.monitoring.observe import observe
from ml.monitoring.results import DriftResult
from ml.monitoring.signals import signals_of
from ml.params import Params, load_params

ROOT = Path(__file__).resolve().parents[1]
GOALS = {
    "false_alarm_rate": "<= 0.05",
    "min_power": ">= 0.95",
    "cbpe_coverage": ">= 0.90",
    "report_100k_s": "< 60",
    "report_rss_gb": "< 2",
    "html_mb": "< 5",
    "rss_growth_1m": "<= 1.2",
}
_END = datetime(2026, 11, 16, tzinfo=UTC)


@dataclass
class Tally:
    """Alarms of windows of one kind, by ours and by Evidently's preset."""

    ours: list[bool] = field(default_factory=list)
    preset: list[bool] = field(default_factory=list)
    any_column: list[bool] = field(default_factory=list)
    worth: list[float] = field(default_factory=list)
    covered: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))


def main() -> None:
    """Draw windows, judge them, print tables, write figures."""
    arguments = _arguments()
    params = load_params(ROOT / "params.toml")
    figures: dict[str, object] = {}
    if "detection" in arguments.parts:
        figures |= detection(arguments, params)
    if "scale" in arguments.parts:
        with tempfile.TemporaryDirectory() as folder:
            figures |= scale(Path(folder), ROOT, arguments.predictions)
    print_goals(figures, {name: goal for name, goal in GOALS.items() if name in figures})
    write_figures(
        arguments.json, figures, GOALS, windows=arguments.windows, planted=arguments.planted
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=shared / "busi")
    parser.add_argument(
        "--weights",
        type=Path,
        default=shared / "weights" / "mobilenet_v2_1.0_224_imagenet_notop.weights.h5",
        help="MobileNetV2's ImageNet weights; a missing file means Keras's download",
    )
    parser.add_argument("--windows", type=int, default=200, help="without drift")
    parser.add_argument(
        "--planted",
        type=int,
        default=60,
        help="of each planted shift; half as many of smaller ones",
    )
    parser.add_argument("--predictions", type=int, nargs=2, default=(100_000, 1_000_000))
    parser.add_argument("--parts", nargs="+", default=["detection", "scale"])
    parser.add_argument("--cache", type=Path, help="keep features of images here")
    parser.add_argument("--figure", type=Path, help="draw power over size here")
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    return parser.parse_args()


def detection(arguments: argparse.Namespace, params: Params) -> dict[str, object]:
    """False alarms, power and coverage on both data sets."""
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary)
        sets = {"phantoms": phantoms(arguments.weights, cache)}
        if arguments.data.is_dir():
            sets[arguments.data.name] = real_images(
                arguments.data, arguments.weights, cache, params.data
            )
    tallies = {
        name: judge(images, params, arguments.windows, arguments.planted, name)
        for name, images in sets.items()
    }
    for name, by_shift in tallies.items():
        show(name, by_shift)
    if arguments.figure:
        draw_power({name: _curves(by_shift) for name, by_shift in tallies.items()},
                   arguments.figure)  # fmt: skip
    usual = [by_shift[None] for by_shift in tallies.values()]
    planted = {name: _planted(by_shift) for name, by_shift in tallies.items()}
    every = [tally for of in planted.values() for tally in of]
    real = [tally for name, of in planted.items() if name != "phantoms" for tally in of]
    return {
        "false_alarm_rate": _worst(max, (tally.ours for tally in usual)),
        "min_power": _worst(min, (tally.ours for tally in planted["phantoms"])),
        **({"min_power_real": _worst(min, (tally.ours for tally in real))} if real else {}),
        "cbpe_coverage": _worst(min, (c for tally in usual for c in tally.covered.values())),
        "evidently_false_alarm_rate": _worst(max, (tally.preset for tally in usual)),
        "evidently_any_false_alarm_rate": _worst(max, (tally.any_column for tally in usual)),
        "evidently_min_power": _worst(min, (tally.preset for tally in every)),
        "evidently_any_min_power": _worst(min, (tally.any_column for tally in every)),
    }


def _planted(by_shift: dict[Shift | None, Tally]) -> list[Tally]:
    return [tally for shift, tally in by_shift.items() if shift is not None and shift.planted]


def judge(
    images: Images, params: Params, windows: int, planted: int, name: str
) -> dict[Shift | None, Tally]:
    """All windows of one data set."""
    tallies: dict[Shift | None, Tally] = defaultdict(Tally)
    began = time.monotonic()
    for number in range(windows):
        split = Split(images, params.ensemble, number)
        estimator = Estimator.fit(split.reference, CRITICAL)
        shifts = [
            shift
            for shift in split.shifts()
            if number < (planted if shift.planted else planted // 2)
        ]
        for shift in (None, *shifts):
            window = split.window(shift, number)
            drift, covered = _look(split, window, estimator, params)
            tally = tallies[shift]
            tally.ours.append(drift.state == "drifted")
            tally.worth.append(window.repeats.effective)
            for metric, inside in covered.items():
                tally.covered[metric].append(inside)
            preset, any_column = _evidently(split, window)
            tally.preset.append(preset)
            tally.any_column.append(any_column)
        if number % 10 == 9:
            spent = time.monotonic() - began
            print(f"{name}: {number + 1} of {windows} divisions, {spent:.0f} s", flush=True)
    return tallies


def _look(
    split: Split, window: Window, estimator: Estimator | None, params: Params
) -> tuple[DriftResult, dict[str, bool]]:
    observation = observe(
        [window.frame],
        split.reference,
        window.repeats,
        critical_label=CRITICAL,
        params=params.monitoring,
    )
    drift = measure_drift(
        split.reference,
        observation,
        params=params.monitoring,
        model_version="1",
        window_start=_END - timedelta(days=7),
        window_end=_END,
    )
    if estimator is None:
        return drift, {}
    estimates = estimator.estimate(
        observation.confidences,
        worth=window.repeats.effective / window.repeats.images,
        confidence=params.monitoring.confidence,
    )
    return drift, {
        metric: interval.lower - 1e-9 <= window.truth[metric] <= interval.upper + 1e-9
        for metric, interval in estimates.items()
        if interval is not None
    }


def _evidently(split: Split, window: Window) -> tuple[bool, bool]:
    """Whether Evidently's preset calls the dataset, and at least one column, drifted."""
    reference = split.reference
    signals = [
        signal
        for signal in signals_of(reference.bundle.labels, reference.components)
        if reference.rows[signal.name].notna().any() and window.frame[signal.name].notna().any()
    ]
    names = [signal.name for signal in signals]
    definition = DataDefinition(
        numerical_columns=[signal.name for signal in signals if signal.numerical],
        categorical_columns=[signal.name for signal in signals if not signal.numerical],
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        # The first number of the preset, without its charts: they take nine tenths of its time.
        snapshot = Report([DriftedColumnsCount()]).run(
            Dataset.from_pandas(window.frame[names], data_definition=definition),
            Dataset.from_pandas(reference.rows[names], data_definition=definition),
        )
    value = snapshot.dict()["metrics"][0]["value"]
    return value["share"] >= 0.5, value["count"] > 0  # 0.5 is the preset's own drift_share


def show(name: str, by_shift: dict[Shift | None, Tally]) -> None:
    """One data set's table."""
    print(
        f"\n{name:12} {'size':>6} {'windows':>8} {'worth':>6} {'alarms':>7}   Evidently: dataset"
        "  any column   estimate held: accuracy  sensitivity  specificity"
    )
    for shift, tally in sorted(by_shift.items(), key=lambda item: str(item[0])):
        kind, size = ("no drift", "") if shift is None else (shift.kind, f"{shift.size:g}")
        preset = f"{np.mean(tally.preset):18.3f} {np.mean(tally.any_column):11.3f}"
        covered = " ".join(f"{np.mean(held):12.3f}" for held in tally.covered.values())
        print(f"{kind:12} {size:>6} {len(tally.ours):8} {np.mean(tally.worth):6.0f} "
              f"{np.mean(tally.ours):7.3f} {preset}"
              f"                {covered}")  # fmt: skip


def _curves(by_shift: dict[Shift | None, Tally]) -> Curves:
    curves: Curves = defaultdict(list)
    for shift, tally in by_shift.items():
        if shift is not None:
            curves[shift.kind].append((shift.size, float(np.mean(tally.ours))))
    return curves


def _worst(choose, of: Iterator[list[bool]]) -> float:
    return round(float(choose(np.mean(held) for held in of)), 3)


if __name__ == "__main__":
    main()
