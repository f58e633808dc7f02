import csv
import io
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont

from ml.contract.errors import NotFound
from ml.data.manifest import SCHEMA
from ml.data.phantoms import CohortSpec, write_cohort
from ml.data.phantoms.files import encode
from ml.data.shards import ROWS_FILE, merge_shards
from ml.data.storage import Place, write_bytes
from ml.data.tables import parquet_source
from tests.unit.data.home import PROJECT, DataHome, small_params


def _rows(home: DataHome, batch_id: str) -> pd.DataFrame:
    return pq.read_table(parquet_source(home.batch(batch_id) / ROWS_FILE)).to_pandas()


def test_every_readable_file_becomes_a_row_with_stored_pixels(
    home_anywhere: DataHome, labelled: Path
) -> None:
    home = home_anywhere
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
    assert orders[0] == [image.fingerprint for image in home.planned(plan)]


def test_a_truncated_file_is_quarantined_with_its_reason_and_the_run_goes_on(
    home_anywhere: DataHome, labelled: Path
) -> None:
    home = home_anywhere
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
    home: DataHome, anywhere: Place, name: str
) -> None:
    picture = encode(np.zeros((80, 80), np.uint8), "image/png")
    write_bytes(anywhere / "secret.png", picture)
    write_bytes(anywhere / "delivery" / "images.csv", f"path,label\n{name},normal\n".encode())
    result = home.ingest(home.plan(anywhere / "delivery"))
    assert (result.rows, result.rejected) == (0, 1)
    assert home.quarantine.list()[0].code == "missing-file"


def test_files_are_taken_from_a_bucket_in_the_plans_order(home: DataHome, anywhere: Place) -> None:
    for number in range(40):
        content = encode(np.full((80, 80), number, np.uint8), "image/png")
        write_bytes(anywhere / "normal" / f"{number:02d} ä#%.png", content)
    write_bytes(anywhere / "normal" / "17 ä#%.png", b"")
    plan = home.plan(anywhere)
    assert home.ingest(plan).rejected == 1
    rows = _rows(home, plan.batch_id)
    assert rows["mean"].tolist() == [float(number) for number in range(40) if number != 17]
    assert home.quarantine.list()[0].code == "unreadable-image"


def test_what_an_interrupted_shard_left_behind_is_swept_up(home: DataHome, labelled: Path) -> None:
    plan = home.plan(labelled)
    folder = home.batch(plan.batch_id)
    write_bytes(folder / ".shard-00000.parquet.x.part", b"half")
    write_bytes(home.root / "images" / ".image.y.part", b"half")
    home.ingest(plan)
    assert not list(home.root.rglob("*.part"))


def test_rows_carry_the_time_of_the_plan_so_that_repeating_gives_the_same(
    tmp_path: Path, labelled: Path
) -> None:
    home = DataHome(tmp_path / "home")
    plan = home.plan(labelled)
    home.ingest_shard(plan, 0)
    shard = home.batch(plan.batch_id) / "shard-00000.parquet"
    before = shard.read_bytes()
    shard.unlink()
    home.ingest_shard(plan, 0)
    assert shard.read_bytes() == before


def test_progress_is_told_for_every_file(home: DataHome, labelled: Path) -> None:
    (labelled / "normal" / "0.png").write_bytes(b"")
    steps: list[int] = []
    plan = home.plan(labelled)
    for index in range(plan.shards):
        home.ingest_shard(plan, index, on_progress=steps.append)
    assert steps == [1] * plan.images


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


def _deliver_ultrasound_with_text(folder: Path) -> Path:
    """A study whose picture lies in the middle, with text beside it."""
    pixels = np.full((80, 90), 100, np.uint8)
    pixels[:10] = 255
    dataset = pydicom.dcmread(io.BytesIO(encode(pixels, "application/dicom")))
    dataset.BurnedInAnnotation = "YES"
    region = pydicom.Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 10
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 89, 79
    dataset.SequenceOfUltrasoundRegions = [region]
    (folder / "normal").mkdir(parents=True)
    dataset.save_as(folder / "normal" / "0.dcm", enforce_file_format=True)
    return folder


def test_burned_in_text_is_refused_and_its_file_quarantined(tmp_path: Path, home: DataHome) -> None:
    plan = home.plan(_deliver_ultrasound_with_text(tmp_path / "in"))
    assert home.ingest(plan).rejected == 1
    (record,) = home.quarantine.list()
    assert record.code == "burned-in-text"


def test_who_releases_a_file_from_quarantine_accepts_the_text_in_it(
    tmp_path: Path, home: DataHome
) -> None:
    source = _deliver_ultrasound_with_text(tmp_path / "in")
    home.ingest(home.plan(source))
    (record,) = home.quarantine.list()
    home.quarantine.release(
        record, mark="1", by="erika", reason="seen", label=None, at=datetime.now(UTC)
    )
    (source / "normal" / "0.dcm").unlink()
    plan = home.plan(source)
    assert home.ingest(plan).rows == 1
    (row,) = _rows(home, plan.batch_id).to_dict("records")
    assert not row["masked"]


def test_burned_in_text_is_masked_before_the_image_gets_its_name(tmp_path: Path) -> None:
    home = DataHome(tmp_path / "home", small_params("data.burned_in=mask"))
    plan = home.plan(_deliver_ultrasound_with_text(tmp_path / "in"))
    home.ingest(plan)
    (row,) = _rows(home, plan.batch_id).to_dict("records")
    assert row["masked"]
    stored = home.store.load(row["image_id"])
    assert (stored[:10] == 0).all()
    assert (stored[10:] == 100).all()


def _deliver_text(folder: Path) -> Path:
    image = Image.new("L", (160, 120), 60)
    ImageDraw.Draw(image).text((5, 5), "DOE JANE 1961", fill=255, font=ImageFont.load_default(16))
    (folder / "normal").mkdir(parents=True)
    image.save(folder / "normal" / "0.png")
    return folder


@pytest.mark.parametrize(("share", "lines"), [(0, None), (1, True)])
def test_lines_of_text_are_counted_in_the_share_that_is_looked_at(
    tmp_path: Path, share: float, lines: bool | None
) -> None:
    home = DataHome(tmp_path / "home", small_params(f"data.text_check_share={share}"))
    plan = home.plan(_deliver_text(tmp_path / "in"))
    home.ingest(plan)
    (seen,) = _rows(home, plan.batch_id)["text_lines"]
    assert seen > 0 if lines else pd.isna(seen)


def test_lines_of_text_may_be_a_reason_to_refuse(tmp_path: Path) -> None:
    params = small_params("data.text_check_share=1", "data.text_seen=refuse")
    home = DataHome(tmp_path / "home", params)
    assert home.ingest(home.plan(_deliver_text(tmp_path / "in"))).rejected == 1
    (record,) = home.quarantine.list()
    assert record.code == "burned-in-text"
    assert not list(home.store.root.glob("*/*"))


def test_no_patient_identifier_is_written_beside_the_plan(home: DataHome, cohort: Path) -> None:
    plan = home.plan(cohort)
    home.ingest(plan)
    with (cohort / "images.csv").open(newline="") as file:
        identifiers = {row["patient_id"] for row in csv.DictReader(file)} - {""}
    assert identifiers
    written = [path for path in home.root.rglob("*") if path.is_file()]
    assert any(home.quarantine.root in path.parents for path in written)
    for path in written:
        content = path.read_bytes()
        assert not any(name.encode() in content for name in identifiers)


def test_patients_are_pseudonyms_that_keep_images_together(home: DataHome, cohort: Path) -> None:
    plan = home.plan(cohort)
    home.ingest(plan)
    rows = _rows(home, plan.batch_id)
    assert rows["patient"].dropna().str.fullmatch("[0-9a-f]{24}").all()
    assert 10 < rows["patient"].nunique() < 30


def test_an_ingested_shard_is_not_ingested_again(home: DataHome, labelled: Path) -> None:
    plan = home.plan(labelled)
    home.ingest_shard(plan, 0)
    shard = home.batch(plan.batch_id) / "shard-00000.parquet"
    before = shard.read_bytes()
    (labelled / "normal" / "0.png").unlink()
    home.ingest_shard(plan, 0)
    assert shard.read_bytes() == before


def test_merging_without_all_shards_names_the_missing_one(home: DataHome, labelled: Path) -> None:
    plan = home.plan(labelled)
    home.ingest_shard(plan, 0)
    with pytest.raises(NotFound, match="shard-00001"):
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


def test_two_processes_ingesting_the_same_files_agree(tmp_path: Path, cohort: Path) -> None:
    home = DataHome(tmp_path / "shared")
    processes = [_start_ingest(home, cohort) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    rows = _rows(home, home.plan(cohort).batch_id)
    for image_id in rows["image_id"]:
        home.store.load(image_id)
