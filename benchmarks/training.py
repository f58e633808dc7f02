"""What training costs: scheduled retraining, cached features, growth and memory in the images.

uv run python benchmarks/training.py [--data DIR] [--json FILE]

`retrain_ratio`: the incumbent, trained on two thirds of the images by the `small` profile, takes in
the last third. Scheduled retraining (warm from the incumbent, images and features cached) against
a naive Keras loop (same network and pretrained weights, all layers, files decoded every epoch) that
stops at the first epoch with the same validation macro-F1, at the better of two rates. CPU time
without imports, each training in a fresh process. A loop that costs 8 times as much is stopped: the
ratio is then a lower bound.
`feature_stage_ratio`: the head's stage with cached features against computing them every epoch.
`rss_ratio_10x`: peak memory of a training with 10 times the images over that with 1 time.

Data: DIR with one folder of images a label, or phantoms where it is missing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import print_goals, write_figures
from training_images import Record, write_images

PARTS = Path(__file__).with_name("training_parts.py")
GOALS = {"retrain_ratio": ">= 4", "feature_stage_ratio": ">= 10", "rss_ratio_10x": "<= 1.3"}

NAIVE_RATES, GIVE_UP = (3e-4, 1e-4), 8
MEMORY_IMAGES = 200


def main() -> None:
    """Draw the data, run every part in processes of its own, print and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = PARTS.parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=shared / "busi")
    parser.add_argument(
        "--weights",
        type=Path,
        default=shared / "weights" / "mobilenet_v2_1.0_224_imagenet_notop.weights.h5",
        help="MobileNetV2's ImageNet weights; a missing file means Keras's download",
    )
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        source = arguments.data if arguments.data.is_dir() else None
        images = write_images(Path(folder), source, arguments.weights)
        figures = retraining(folder, images) | feature_stage(folder) | growth(folder)
    figures["seconds"] = round(time.monotonic() - started)
    print_goals(figures, GOALS)
    write_figures(arguments.json, figures, GOALS, images=len(images))


def retraining(folder: str, images: list[Record]) -> Record:
    """Both ways to take in the new images."""
    before = part("incumbent", folder=folder)
    print(
        f"{len(images)} images; the incumbent, trained on two thirds in {before['cpu']:.1f} s CPU, "
        f"has a macro-F1 of {before['f1']:.3f}",
        flush=True,
    )
    ours = part("scheduled", folder=folder)
    print(f"scheduled retraining: {ours['cpu']:.1f} s CPU, macro-F1 {ours['f1']:.3f}", flush=True)
    naive_costs = []
    for rate in NAIVE_RATES:
        limit = min([GIVE_UP * ours["cpu"], *naive_costs])
        theirs = part("naive", folder=folder, rate=rate, target=ours["f1"], limit=limit)
        naive_costs.append(theirs["cpu"])
        print(
            f"naive loop at {rate:.0e}: {theirs['cpu']:.1f} s CPU, macro-F1 {theirs['f1']:.3f} "
            f"after {theirs['epochs']} epochs" + ("" if theirs["reached"] else ", given up"),
            flush=True,
        )
    return {
        "retrain_ratio": round(min(naive_costs) / ours["cpu"], 1),
        "scheduled_cpu_s": round(ours["cpu"], 1),
        "naive_cpu_s": round(min(naive_costs), 1),
        "macro_f1_before": round(before["f1"], 3),
        "macro_f1_after": round(ours["f1"], 3),
    }


def feature_stage(folder: str) -> Record:
    """The head's stage both ways."""
    spent = part("features", folder=folder)
    print(
        f"head, {spent['epochs']} epochs: {spent['cached']:.1f} s CPU with cached features, "
        f"{spent['recomputed']:.1f} s with features of every epoch",
        flush=True,
    )
    return {"feature_stage_ratio": round(spent["recomputed"] / spent["cached"], 1)}


def growth(folder: str) -> Record:
    """CPU time and peak memory over the number of images."""
    print("images    s CPU   MB peak")
    rows = {}
    for factor in (1, 5, 10):
        count = factor * MEMORY_IMAGES
        rows[factor] = part("memory", folder=folder, count=count)
        print(f"{count:6} {rows[factor]['cpu']:8.1f} {rows[factor]['rss_mb']:9.0f}", flush=True)
    early = (rows[5]["cpu"] - rows[1]["cpu"]) / 4
    late = (rows[10]["cpu"] - rows[5]["cpu"]) / 5
    print(f"an image more costs {late / early:.2f} times as much late as early (linear: 1)")
    return {
        "rss_ratio_10x": round(rows[10]["rss_mb"] / rows[1]["rss_mb"], 2),
        "marginal_cost_ratio": round(late / early, 2),
    }


def part(name: str, **arguments: object) -> Record:
    """Run a part in a fresh process."""
    done = subprocess.run(
        [sys.executable, str(PARTS), name, json.dumps(arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-3000:]}")
    record: Record = json.loads(done.stdout.splitlines()[-1])
    return record


if __name__ == "__main__":
    main()
