"""pydicom's own collection as a delivery: every file becomes a row, or a reason."""

import shutil
from pathlib import Path

from ml.contract import errors
from ml.contract.errors import InputError
from tests.unit.contract.dicom.bundled_files import FOLDER, bundled_files, facts_of
from tests.unit.data.home import DataHome, small_params


def deliver(folder: Path) -> int:
    """All files, under names that show no type."""
    for number, file in enumerate(bundled_files()):
        target = folder / "benign" / f"{number:03}.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(FOLDER / file, target)
    return len(bundled_files())


def test_every_file_is_ingested_or_refused_by_name(tmp_path: Path) -> None:
    files = deliver(tmp_path / "landing")
    home = DataHome(tmp_path, small_params("data.frames=middle", "data.burned_in=accept"))
    plan = home.plan(tmp_path / "landing")
    result = home.ingest(plan)

    shown = [facts for facts in map(facts_of, bundled_files()) if {"shape", "middle"} & {*facts}]
    assert result.rows == len(shown)
    assert result.rows + result.rejected == files

    known = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, InputError)
    }
    reasons = home.quarantine.list()
    assert len(reasons) == result.rejected
    assert {record.code for record in reasons} <= known
    assert all(record.reasons[0].endswith(".") for record in reasons)
