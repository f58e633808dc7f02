"""How good the `small` recipe is on a folder of real images: grouped k-fold, pooled.

uv run python benchmarks/accuracy.py --data DIR [--json FILE]

DIR/<label>/* holds the images; labels, their number and order are those of the folders. Images
are ingested, validated and grouped like a hospital's; every one is answered by a vote that saw
neither it nor a near-duplicate of it. Beside it, as papers do it, the same with a random split of
single images. Interrupted, it continues with --home.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from figures import write_figures

from ml.cli.crossvalidation import show_crossvalidation
from ml.contract.errors import NothingToIngest, VigieError
from ml.evaluation.results import Interval
from ml.journey import ingest
from ml.journey.crossvalidate import Crossvalidation, crossvalidate
from ml.journey.dataset import freeze
from ml.journey.validate import validate
from ml.journey.workspace import Workspace
from ml.params import Params, load_params

ROOT = Path(__file__).resolve().parents[1]
GOALS = {"accuracy": 0.82, "macro_f1": 0.80, "malignant_auc": 0.93}
_METRICS = {"accuracy": "accuracy", "macro_f1": "macro_f1", "malignant_auc": "critical_auc"}
_CRITICAL = "malignan"


def main() -> None:
    """Ingest, cross-validate on both splits, print the table."""
    arguments = _arguments()
    began = time.monotonic()
    labels = sorted(path.name for path in arguments.data.iterdir() if path.is_dir())
    params = load_params(
        ROOT / "params.toml", profile="small", overrides=_overrides(arguments, labels)
    )
    with tempfile.TemporaryDirectory() as temporary:
        home = arguments.home or Path(temporary)
        workspace = Workspace.at(home, expectations=ROOT / "expectations")
        dataset_id = _dataset(workspace, params, arguments.data)
        result = crossvalidate(
            workspace,
            params,
            dataset_id,
            folds=arguments.folds,
            paper=not arguments.no_paper,
            processes=arguments.processes,
            on_progress=lambda line: print(f"{_clock(began)}  {line}", flush=True),
        )
    show_crossvalidation(result)
    _show_goals(result)
    print(f"\n{_clock(began)} in all, {arguments.processes} processes of one thread.")
    write_figures(
        arguments.json,
        _figures(result) | {"seconds": round(time.monotonic() - began)},
        {name: f">= {goal}" for name, goal in GOALS.items()},
        commit=_commit(),
        folds=arguments.folds,
        image_size=params.image.size,
        members=params.training.members,
        epochs=params.training.epochs,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "busi")
    parser.add_argument(
        "--weights",
        type=Path,
        default=ROOT.parent / "shared/data/weights/mobilenet_v2_1.0_224_imagenet_notop.weights.h5",
        help="MobileNetV2's ImageNet weights; a missing file means Keras's download",
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--no-paper", action="store_true", help="leave the random split out")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--critical", help="the label not to miss; default the malignant one")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--home", type=Path, help="keep all state here, to continue or to look at")
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    return parser.parse_args()


def _overrides(arguments: argparse.Namespace, labels: list[str]) -> list[str]:
    critical = arguments.critical or next(
        (label for label in labels if _CRITICAL in label.casefold()), None
    )
    if critical is None:
        raise SystemExit(f"None of {', '.join(labels)} is malignant: name one with --critical.")
    overrides = [f"data.labels={json.dumps(labels)}", f"data.critical_label={json.dumps(critical)}"]
    if arguments.weights.is_file():
        overrides += [
            'training.initialisation="file"',
            f"training.weights={{mobilenetv2={json.dumps(str(arguments.weights.resolve()))}}}",
        ]
    return overrides + arguments.overrides


def _dataset(workspace: Workspace, params: Params, folder: Path) -> str:
    try:
        batch = ingest.plan(workspace, params, folder)
    except NothingToIngest:
        return freeze(workspace, params).dataset_id  # continued: all images are in the store
    for index in range(batch.shards):
        ingest.ingest_shard(workspace, params, batch.batch_id, index)
    ingest.merge(workspace, batch.batch_id)
    print(validate(workspace, params, batch.batch_id).verdict)
    info = freeze(workspace, params)
    classes = ", ".join(f"{count} {label}" for label, count in info.per_class.items())
    print(f"{info.images} images of {info.groups} groups: {classes}.", flush=True)
    return info.dataset_id


def _show_goals(result: Crossvalidation) -> None:
    for name, goal in GOALS.items():
        interval = getattr(result.honest.vote, _METRICS[name])
        if interval is not None:
            met = "met" if interval.estimate >= goal else "missed"
            print(f"{name} {interval.estimate:.3f}, goal {goal:.2f}: {met}")


def _figures(result: Crossvalidation) -> dict[str, float]:
    figures = {}
    for prefix, pooled in (("", result.honest), ("paper_", result.paper)):
        for name, metric in _METRICS.items() if pooled is not None else ():
            interval: Interval | None = getattr(pooled.vote, metric)
            if interval is not None:
                figures |= {
                    f"{prefix}{name}": round(interval.estimate, 4),
                    f"{prefix}{name}_lo": round(interval.lower, 4),
                    f"{prefix}{name}_hi": round(interval.upper, 4),
                }
    return figures


def _commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()


def _clock(began: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    return f"{minutes:02d}:{seconds:02d}"


if __name__ == "__main__":
    try:
        main()
    except VigieError as error:
        raise SystemExit(f"{error}") from error
