"""A report over many predictions: a log is filled, and `vigie drift` is run on it."""

import json
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from sqlalchemy import Engine, insert

from ml.contract.bundle import (
    CARD_FILE,
    GOLDEN_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    bundle_sha256,
    seal_bundle,
)
from ml.contract.decision import DecisionPolicy
from ml.journey.run import database_of, tracker_of
from ml.journey.workspace import Workspace
from ml.registry.models import PRODUCTION, point_alias, register_bundle
from ml.store.database import writing
from ml.store.tables import FEEDBACK, PREDICTIONS
from tests.fakes.one_member import bundle_of_one_member

LABELS = ["normal", "benign", "malignant"]
POLICY = DecisionPolicy(
    critical_label="malignant",
    critical_threshold=0.5,
    refer_below=0.6,
    refer_margin=0.02,
    outlier_distance=6.0,
    quality_bounds={"mean": (30.0, 150.0)},
)
_SITES = np.array(["north", "south", "harbour"])
_REFERENCE, _COMPONENTS, _ROWS = 2000, 16, 20_000
_LABELLED = 0.05
_LOOK = 0.05


def scale(folder: Path, root: Path, sizes: tuple[int, int]) -> dict[str, object]:
    """Seconds, peak memory and page size over `sizes` predictions."""
    costs = [_cost(folder / str(size), root, size) for size in sizes]
    (small, large) = costs
    return {
        "report_100k_s": round(small["seconds"], 1),
        "report_100k_cpu_s": round(small["cpu_s"], 1),
        "report_rss_gb": round(small["rss_gb"], 2),
        "html_mb": round(small["html_mb"], 2),
        "report_1m_s": round(large["seconds"], 1),
        "report_1m_cpu_s": round(large["cpu_s"], 1),
        "rss_growth_1m": round(large["rss_gb"] / small["rss_gb"], 2),
    }


def _cost(home: Path, root: Path, size: int) -> dict[str, float]:
    workspace = Workspace.at(home, expectations=root / "expectations")
    sha256 = _produce(workspace)
    end = datetime.now(UTC)
    began = time.monotonic()
    _fill(database_of(workspace), size, sha256, end - timedelta(days=6))
    print(f"{size:,} predictions logged in {time.monotonic() - began:.0f} s", flush=True)
    cost, report = _watch(workspace, root)
    page = Path(report["drift"]["report"])
    cost["html_mb"] = page.stat().st_size / 2**20
    print(
        f"{size:,} predictions ({report['performance']['measured']['labelled']:,} labelled): "
        f"{report['drift']['state']}, {cost['seconds']:.1f} s ({cost['cpu_s']:.1f} s CPU), "
        f"{cost['rss_gb']:.2f} GB, page "
        f"{cost['html_mb']:.1f} MB, {report['drift']['window']['drawn']:,} images drawn",
        flush=True,
    )
    return cost


def _watch(workspace: Workspace, root: Path) -> tuple[dict[str, float], dict]:
    """`vigie drift` as a process of its own: wall and CPU time, highest resident memory."""
    environment = os.environ | {
        "VIGIE_HOME": str(workspace.home),
        "PYTHONPATH": str(root),
        "MLFLOW_TRACKING_URI": workspace.tracking_uri,
    }
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen(
        [sys.executable, "-m", "ml.cli", "--json", "drift"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        watched, highest = psutil.Process(process.pid), 0
        while process.poll() is None:
            try:
                highest = max(highest, watched.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(_LOOK)
        output = process.communicate()[0]
    if process.returncode:
        raise SystemExit("`vigie drift` failed.")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    seconds = time.monotonic() - began
    return {"seconds": seconds, "cpu_s": worked, "rss_gb": highest / 2**30}, json.loads(output)


def _produce(workspace: Workspace) -> str:
    """A bundle in production. Its model is never asked: reports read the reference alone."""
    folder = workspace.home / "bundle"
    folder.mkdir(parents=True)
    for name in (MODEL_FILE, GOLDEN_FILE, CARD_FILE):
        (folder / name).write_text("not asked\n")
    rng = np.random.default_rng(0)
    rows = _rows(_REFERENCE, rng)
    frame = pd.DataFrame(
        [
            {"image_id": row["image_id"], "label": truth, "predicted": row["label"]}
            | {key: row[key] for key in ("action", "site", "scanner")}
            | {f"p_{label}": value for label, value in row["probabilities"].items()}
            | {f"embedding_{place}": value for place, value in enumerate(row["embedding"])}
            | row["statistics"]
            for row, truth in rows
        ]
    )
    frame["role"] = np.where(np.arange(len(frame)) % 3, "baseline", "projection")
    frame["group"] = np.arange(len(frame)) // 2
    frame.to_parquet(folder / REFERENCE_FILE)
    seal_bundle(folder, bundle_of_one_member("none", 224, LABELS, POLICY))
    tracker = tracker_of(workspace)
    run = tracker.open_run("t", "scale", name="scale")
    point_alias(tracker, PRODUCTION, register_bundle(tracker, run, folder, "scale").version)
    return bundle_sha256(folder)


def _fill(database: Engine, size: int, sha256: str, start: datetime) -> None:
    rng = np.random.default_rng(1)
    step = timedelta(days=5) / size
    model = {"model_name": "vigie", "model_version": "1", "model_bundle": sha256}
    for first in range(0, size, _ROWS):
        rows = _rows(min(_ROWS, size - first), rng)
        predictions = [
            row
            | model
            | {"request_id": f"{first + place:032x}", "at": start + (first + place) * step}
            | {"channel": "predict", "reasons": [], "total_ms": 20.0, "role": "production"}
            for place, (row, _) in enumerate(rows)
        ]
        labels = [
            {"feedback_id": row["request_id"], "request_id": row["request_id"], "label": truth}
            | {"at": row["at"] + timedelta(hours=9), "author": "reader", "comment": ""}
            for row, (_, truth) in zip(predictions, rows, strict=True)
            if rng.random() < _LABELLED
        ]
        with writing(database) as connection:
            connection.execute(insert(PREDICTIONS), predictions)
            connection.execute(insert(FEEDBACK), labels)


def _rows(count: int, rng: np.random.Generator) -> list[tuple[dict, str]]:
    """Answers as the log keeps them, with their true labels."""
    truth = rng.choice(3, size=count, p=[0.5, 0.3, 0.2])
    evidence = np.exp(1.5 * (rng.normal(size=(count, 3)) + 1.5 * np.eye(3)[truth]))
    scores = (evidence / evidence.sum(axis=1, keepdims=True)).astype(np.float32)
    embedding = rng.normal(size=(count, _COMPONENTS)).astype(np.float32)
    mean, std = rng.normal(90, 12, count), rng.normal(38, 4, count)
    sharpness = 250 * np.exp(rng.normal(0, 0.3, count))
    sites = _SITES[rng.integers(0, 3, count)]
    return [
        (
            {
                "image_id": f"{rng.integers(1 << 62):064x}",
                "label": LABELS[int(scores[row].argmax())],
                "action": "refer" if scores[row].max() < 0.6 else "report",
                "site": str(sites[row]),
                "scanner": f"{sites[row]} scanner",
                "probabilities": dict(zip(LABELS, map(float, scores[row]), strict=True)),
                "embedding": [float(value) for value in embedding[row]],
                "statistics": {
                    "width": 640,
                    "height": 480,
                    "mean": float(mean[row]),
                    "std": float(std[row]),
                    "contrast": float(3.5 * std[row]),
                    "entropy": float(6 + 0.02 * std[row]),
                    "sharpness": float(sharpness[row]),
                    "black_share": 0.1,
                    "white_share": 0.0,
                    "colourfulness": 0.0,
                    "border_share": 0.0,
                },
            },
            LABELS[int(truth[row])],
        )
        for row in range(count)
    ]
