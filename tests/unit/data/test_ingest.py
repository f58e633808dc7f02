import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ml.contract.errors import NotFound
from ml.data.ingest import ROWS_FILE, merge_shards
from ml.data.manifest import SCHEMA
from ml.data.phantoms import CohortSpec, write_cohort
from ml.data.phantoms.files import encode
from tests.unit.data.home import PROJECT, DataHome, small_params


def _rows(home: DataHome, batch_id: str) -> pd.DataFrame:
    return pq.read_table(home.batch(batch_id) / ROWS_FILE).to_pandas()


def test_every_readable_file_becomes_a_row_with_stored_pixels(
    home: DataHome, labelled: Path
) -> None:
    plan = home.plan(labelled)
    result = home.ingest(plan)
    assert (result.rows, result.rejected) == (6, 0)
    rows = _rows(home, plan.batch_id)
    assert rows.columns.tolist() == SCHEMA.names
    assert rows["label"].value_counts().to_dict() == {"normal": 2, "benign": 2, "malignant": 2}
    assert all(home.store.load(image_id).shape == (80, 90) for image_id in rows["image_id"])
    assert rows["width"].eq(90).all()
    assert rows["patient"].isna().all()


def test_rows_follow_the_plan_whatever_the_number_of_shards(tmp_path: Path, labelled: Path) -> None:
    orders = []
    for shards in (1, 3):
        home = DataHome(tmp_path / str(shards), small_params(f"data.shards={shards}"))
        plan = home.plan(labelled)
        home.ingest(plan)
        orders.append(_rows(home, plan.batch_id)["fingerprint"].tolist())
    assert orders[0] == orders[1]
    assert orders[0] == [image.fingerprint for shard in plan.shards for image in shard]


def test_a_truncated_file_is_quarantined_with_its_reason_and_the_run_goes_on(
    home: DataHome, labelled: Path
) -> None:
    good = (labelled / "normal" / "0.png").read_bytes()
    (labelled / "normal" / "0.png").write_bytes(good[: len(good) // 2])
    (labelled / "benign" / "0.png").write_bytes(b"a note")
    (labelled / "benign" / "1.png").write_bytes(b"")
    plan = home.plan(labelled)
    result = home.ingest(plan)
    assert (result.rows, result.rejected) == (3, 3)
    codes = {record.code: record for record in home.quarantine.list()}
    assert set(codes) == {"unreadable-image", "unsupported-image"}
    assert codes["unsupported-image"].reasons == [
        "The file is not a PNG, JPEG, TIFF or DICOM image."
    ]
    assert all(record.batch_id == plan.batch_id for record in codes.values())


def test_a_file_over_the_limit_is_noted_but_not_copied(tmp_path: Path, labelled: Path) -> None:
    home = DataHome(tmp_path / "home", small_params("data.max_bytes=1000"))
    (labelled / "normal" / "0.png").write_bytes(bytes(5000))
    home.ingest(home.plan(labelled))
    large = [record for record in home.quarantine.list() if record.code == "image-too-large"]
    assert large
    assert all(record.file_bytes == 0 for record in large)


@pytest.mark.parametrize("name", ["missing.png", "../secret.png", "/etc/hostname", "."])
def test_a_listed_file_that_is_missing_or_outside_is_refused(
    home: DataHome, tmp_path: Path, name: str
) -> None:
    delivery = tmp_path / "delivery"
    delivery.mkdir()
    (tmp_path / "secret.png").write_bytes(encode(np.zeros((80, 80), np.uint8), "image/png"))
    (delivery / "images.csv").write_text(f"path,label\n{name},normal\n")
    result = home.ingest(home.plan(delivery))
    assert (result.rows, result.rejected) == (0, 1)
    assert home.quarantine.list()[0].code == "missing-file"


def test_dicom_headers_fill_in_what_the_list_leaves_out(home: DataHome, tmp_path: Path) -> None:
    spec = CohortSpec(images=6, dicom_share=1.0, images_per_patient=(3, 3))
    write_cohort(spec, tmp_path / "dicom")
    plan = home.plan(tmp_path / "dicom")
    home.ingest(plan)
    rows = _rows(home, plan.batch_id)
    assert rows["media_type"].eq("application/dicom").all()
    assert rows["patient"].nunique() == 2
    assert rows["age"].between(21, 90).all()
    assert rows["sex"].eq("F").all()
    assert rows["scanner"].notna().all()
    assert set(rows["bits_stored"]) == {8, 12, 16}


def test_no_patient_identifier_is_written_beside_the_plan(home: DataHome, cohort: Path) -> None:
    plan = home.plan(cohort)
    home.ingest(plan)
    identifiers = {image.patient_id for shard in plan.shards for image in shard} - {None}
    assert identifiers
    written = [path for path in home.root.rglob("*") if path.is_file()]
    # Quarantined files are originals: they are kept apart, for their owner alone.
    for path in written:
        if home.quarantine.root not in path.parents:
            content = path.read_bytes()
            assert not any(name.encode() in content for name in identifiers if name)


def test_patients_are_pseudonyms_that_keep_images_together(home: DataHome, cohort: Path) -> None:
    plan = home.plan(cohort)
    home.ingest(plan)
    rows = _rows(home, plan.batch_id)
    assert rows["patient"].dropna().str.fullmatch("[0-9a-f]{24}").all()
    assert 10 < rows["patient"].nunique() < 30


def test_an_ingested_shard_is_not_ingested_again(home: DataHome, labelled: Path) -> None:
    plan = home.plan(labelled)
    home.ingest_shard(plan, 0)
    shard = home.batch(plan.batch_id) / "shard-0.parquet"
    before = shard.stat().st_mtime_ns
    home.ingest_shard(plan, 0)
    assert shard.stat().st_mtime_ns == before


def test_merging_without_all_shards_names_the_missing_one(home: DataHome, labelled: Path) -> None:
    plan = home.plan(labelled)
    home.ingest_shard(plan, 0)
    with pytest.raises(NotFound, match="shard-1"):
        merge_shards(plan, batch_folder=home.batch(plan.batch_id))


_INGEST = """
import sys
from pathlib import Path
from tests.unit.data.home import DataHome
home = DataHome(Path(sys.argv[1]))
home.ingest(home.plan(Path(sys.argv[2])))
"""


def _start_ingest(home: DataHome, source: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", _INGEST, str(home.root), str(source)], cwd=PROJECT
    )


def test_an_ingest_killed_midway_and_run_again_gives_the_same_rows(
    tmp_path: Path, cohort: Path
) -> None:
    killed = DataHome(tmp_path / "killed")
    process = _start_ingest(killed, cohort)
    deadline = time.monotonic() + 60
    while sum(1 for _ in killed.store.root.glob("??/*.png")) < 10:
        assert time.monotonic() < deadline, "no image was stored"
        assert process.poll() is None, "the ingest ended before it was killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    plan = killed.plan(cohort)
    assert not (killed.batch(plan.batch_id) / ROWS_FILE).exists()
    killed.ingest(plan)
    whole = DataHome(tmp_path / "whole")
    whole.ingest(plan)
    rows = [_rows(one, plan.batch_id).drop(columns="ingested_at") for one in (killed, whole)]
    pd.testing.assert_frame_equal(rows[0], rows[1])
    assert len(rows[0]) > 50


def test_two_processes_ingesting_the_same_files_agree(tmp_path: Path, cohort: Path) -> None:
    home = DataHome(tmp_path / "shared")
    processes = [_start_ingest(home, cohort) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    rows = _rows(home, home.plan(cohort).batch_id)
    for image_id in rows["image_id"]:
        home.store.load(image_id)
