"""Validation of a million images: seconds and memory of stage 2 with the reviewed suites.

uv run python benchmarks/validation.py [--rows N] [--json FILE]

A merged batch of N rows, as ingest leaves it, goes through `validate_batch` in a fresh process: all
of `expectations/`, Data Docs, the search for repeats among as many rows again in the manifest, the
quarantine of 1,000 rows whose files are gone, and the commit. A tenth of the rows lacks a patient.

`validation_1m_s`: seconds without imports. `rss_gb`: the process's peak, 2^30 bytes.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from figures import print_goals, write_figures

from ml.data.appearance import DESCRIPTOR_BYTES
from ml.data.image_store import ImageStore
from ml.data.manifest import SCHEMA, commit_rows
from ml.data.quarantine import Quarantine
from ml.data.sealed import Seal
from ml.data.tables import write_table
from ml.params import load_params

ROOT = Path(__file__).parents[1]
BAD = 1000
KEY = bytes(32)
GOALS = {"validation_1m_s": "< 120", "rss_gb": "<= 4"}
STATISTICS = {
    "mean": (80.0, 160.0),
    "std": (20.0, 70.0),
    "contrast": (100.0, 250.0),
    "entropy": (5.0, 7.8),
    "sharpness": (50.0, 3000.0),
    "black_share": (0.0, 0.3),
    "white_share": (0.0, 0.1),
    "colourfulness": (0.0, 5.0),
    "border_share": (0.0, 0.3),
}


def main() -> None:
    """Write the batch, validate it in a process of its own, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.home:
        print(json.dumps(validate(arguments.home)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_batches(Path(folder), arguments.rows)
        command = [sys.executable, __file__, "--home", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"validation failed:\n{done.stderr[-3000:]}")
    figures = json.loads(done.stdout.splitlines()[-1])
    print(f"{figures['rows']:,} rows: {figures['verdict']}")
    print_goals(figures, GOALS)
    write_figures(arguments.json, figures, GOALS)


def validate(home: Path) -> dict[str, object]:
    """Stage 2 over the batch in `home`."""
    import great_expectations  # noqa: F401  # its import is not validation

    from ml.data.shards import ROWS_FILE
    from ml.data.validate import validate_batch

    (folder,) = (home / "batches").iterdir()
    started = time.perf_counter()
    report = validate_batch(
        batch_folder=folder,
        manifest_folder=home / "manifest",
        suites=ROOT / "expectations",
        params=load_params(ROOT / "params.toml").data,
        quarantine=Quarantine(home / "quarantine", Seal(KEY)),
        store=ImageStore(home / "images"),
        seal=Seal(KEY),
        docs_folder=home / "docs",
    )
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = pq.read_metadata(folder / ROWS_FILE).num_rows
    return {
        "validation_1m_s": round(seconds, 1),
        "rss_gb": round(peak / 2**20, 2),
        "rows": rows,
        "accepted": report.accepted,
        "verdict": report.verdict,
    }


def write_batches(home: Path, count: int) -> None:
    """One batch to validate, with its plan, and one that is committed."""
    from ml.data.plan import plan_batch
    from ml.data.results import IncomingImage
    from ml.data.shards import ROWS_FILE

    store = ImageStore(home / "images")
    bad = [np.full((4, 300), number, np.uint16).view(np.uint8) for number in range(BAD)]
    stored = [store.put(pixels) for pixels in bad]
    names = batch(count, "incoming", seed=1, bad=stored)["fingerprint"].to_pylist()
    plan = plan_batch(
        (IncomingImage(path=f"{name}.png", label="benign", fingerprint=name) for name in names),
        home / "landing",
        batches=home / "batches",
        seal=Seal(KEY),
        shards=2,
        shard_images=2000,
        scratch=home,
    )
    rows = batch(count, plan.batch_id, seed=1, bad=stored)
    rows = rows.replace_schema_metadata({b"vigie.rejected": b"[]"})
    write_table(rows, home / "batches" / plan.batch_id / ROWS_FILE)
    commit_rows(home / "manifest", "before", batch(count, "before", seed=2, bad=[]), settled=[])


def batch(count: int, name: str, *, seed: int, bad: list[str]) -> pa.Table:
    """Rows of made-up images; those of `bad`, evenly spread, have hardly any contrast."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 256, (count, 32), dtype=np.uint8)
    names = np.array([row.tobytes().hex() for row in ids], dtype=object)
    places = np.arange(len(bad)) * (count // max(len(bad), 1))
    names[places] = bad
    columns: dict[str, object] = {
        key: rng.uniform(low, high, count) for key, (low, high) in STATISTICS.items()
    }
    columns["std"][places] = 1.0  # type: ignore[index]
    patients = np.array([f"{number:032x}" for number in range(count // 4 + 1)], dtype=object)
    owner = patients[rng.integers(0, len(patients), count)]
    owner[rng.random(count) < 0.1] = None
    columns |= {
        "image_id": names,
        "label": np.array(["normal", "benign", "malignant"])[rng.integers(0, 3, count)],
        "patient": owner,
        "study": owner,
        "series": owner,
        "masked": [False] * count,
        "site": np.array(["north", "south"])[rng.integers(0, 2, count)],
        "scanner": np.array(["one", "two", "three"])[rng.integers(0, 3, count)],
        "age": rng.integers(20, 90, count),
        "sex": np.array(["F", "M"])[rng.integers(0, 2, count)],
        "fingerprint": names,
        "media_type": np.full(count, "image/png"),
        "bits_stored": np.full(count, 8),
        "file_bytes": rng.integers(10_000, 200_000, count),
        "width": rng.integers(400, 1000, count),
        "height": rng.integers(400, 1000, count),
        "phash": rng.integers(0, 2**63, count, dtype=np.uint64),
        "descriptor": [rng.bytes(DESCRIPTOR_BYTES)] * count,
        "batch_id": np.full(count, name),
        "ingested_at": [datetime(2026, 1, 1, tzinfo=UTC)] * count,
    }
    # What a row may lack is null.
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(count, field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


if __name__ == "__main__":
    main()
