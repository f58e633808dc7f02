"""Windows of made-up predictions, alike or shifted, and the reference they are held against."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.contract.quality import ImageStatistics
from ml.contract.records import ModelIdentity, PredictionRecord
from ml.monitoring.results import DriftResult
from ml.monitoring.windows import frame_from_records
from ml.params import MonitoringParams, load_params

LABELS = ["normal", "benign", "malignant"]
START = datetime(2026, 11, 9, tzinfo=UTC)
END = START + timedelta(days=7)
COMPONENTS = 8


def make_records(n: int, *, seed: int, gain: float = 1.0, version: str = "3"):
    """Predictions of images with normally distributed looks; `gain` brightens all of them."""
    rng = np.random.default_rng(seed)
    return [_record(index, rng, gain, version, n) for index in range(n)]


def _record(index, rng, gain, version, n):
    mean, std = gain * rng.normal(90, 12), gain * rng.normal(38, 4)
    scores = rng.dirichlet([1, 3, 0.7])
    return PredictionRecord(
        request_id=f"request-{index}",
        at=START + index * (END - START) / n,
        channel="predict",
        image_id=f"{index:064x}",
        model=ModelIdentity(name="vigie", version=version, bundle=f"bundle-{version}"),
        label=LABELS[int(scores.argmax())],
        action="report",
        reasons=[],
        probabilities=dict(zip(LABELS, scores.tolist(), strict=True)),
        embedding=(rng.normal(size=COMPONENTS) + 2 * (gain - 1)).tolist(),
        statistics=ImageStatistics(
            width=256,
            height=200,
            mean=mean,
            std=std,
            contrast=3.5 * std + rng.normal(0, 3),
            entropy=6 + 0.02 * std + rng.normal(0, 0.1),
            sharpness=250 * gain**2 * float(np.exp(rng.normal(0, 0.3))),
            black_share=max(0.0, 0.3 - 0.002 * mean + rng.normal(0, 0.03)),
            white_share=0.0,
            colourfulness=0.0,
        ),
        site="north",
        scanner="alpha",
        total_ms=20.0,
    )


def make_window(n: int, **how) -> pd.DataFrame:
    return frame_from_records(make_records(n, **how))


def write_reference(folder: Path, n: int = 200) -> Path:
    """A bundle folder whose reference has a baseline and a far-off projection part."""
    frame = make_window(n, seed=1).rename(columns={"label": "predicted"})
    frame["role"] = "baseline"
    frame["label"] = "benign"
    frame["image_id"] = [f"{index:064x}" for index in range(n)]
    frame["site"], frame["scanner"] = "north", "alpha"
    projection = frame.assign(role="projection", mean=frame["mean"] + 1000)
    pd.concat([projection, frame]).to_parquet(folder / "reference.parquet")
    return folder


@pytest.fixture(scope="session")
def params() -> MonitoringParams:
    path = Path(__file__).parents[3] / "params.toml"
    return load_params(path).monitoring.model_copy(update={"drifted_share": 0.2})


@pytest.fixture(scope="session")
def reference() -> pd.DataFrame:
    return make_window(200, seed=1)


def result(state: str, week: int) -> DriftResult:
    """A drift result of the given week."""
    return DriftResult(
        report_id=f"week-{week}",
        model_version="3",
        window_start=START + timedelta(weeks=week),
        window_end=END + timedelta(weeks=week),
        images=200,
        reference_images=200,
        state=state,
        statistic="psi",
        drifted_share=0.4 if state == "drifted" else 0.0,
        signals=[],
        label_shares=[],
        reason="4 of 10 signals moved",
    )
