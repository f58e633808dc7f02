"""The evidence of a promoted version: exported, checked, and traced back from an answer."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml.contract.records import PredictionRecord
from ml.store.database import open_database
from ml.store.predictions import insert_predictions
from tests.e2e.conftest import Journey, vigie

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pack(journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pack") / "version-1.zip"
    made = journey.vigie("--json", "ledger", "export", "1", str(target))
    assert made.returncode == 0, made.stderr
    assert "change_control.md" in json.loads(made.stdout)["files"]
    return target


def read(pack: Path, name: str) -> str:
    with zipfile.ZipFile(pack) as archive:
        return archive.read(name).decode()


def test_the_change_is_described_judged_and_signed_for(journey: Journey, pack: Path) -> None:
    text = read(pack, "change_control.md")
    for part in ("Description of modifications", "Modification protocol", "Impact assessment"):
        assert part in text
    assert journey.summary["dataset_id"] in text
    assert "| promote |" in text
    assert "critical_sensitivity_floor" in text


def test_it_is_checked_where_nothing_of_the_installation_is(pack: Path, tmp_path: Path) -> None:
    elsewhere = {"PATH": "/usr/bin", "VIGIE_HOME": str(tmp_path / "nothing")}
    checked = vigie(elsewhere, "--json", "ledger", "verify", str(pack))
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["lines"] >= 3
    assert not (tmp_path / "nothing").exists()


def test_nothing_of_a_patient_is_in_it(journey: Journey, pack: Path) -> None:
    patients = {
        line.split(",")[2]
        for path in (journey.home.parent / "images").glob("*.csv")
        for line in path.read_text().splitlines()[1:]
    } - {""}
    with zipfile.ZipFile(pack) as archive:
        content = b"".join(archive.read(item) for item in archive.infolist())
    assert patients
    assert not [patient for patient in patients if patient.encode() in content]


def test_an_answer_leads_to_its_model_its_data_and_who_decided(journey: Journey) -> None:
    image = next((journey.home.parent / "images").rglob("*.png"))
    record = PredictionRecord.model_validate_json(_logged(image))
    insert_predictions(open_database(journey.workspace.database_url), [record])
    told = journey.vigie("--json", "ledger", "trace", str(image), "--day", "2026-05-04")
    assert told.returncode == 0, told.stderr
    (found,) = json.loads(told.stdout)
    assert found["dataset_id"] == journey.summary["dataset_id"]
    assert found["version"] == "1"
    assert any("promote" in act for act in found["acts"])
    assert any("gate" in act for act in found["acts"])
    other = journey.vigie("ledger", "trace", str(image), "--day", "2026-05-05")
    assert other.returncode == 1
    assert "No answer was given" in other.stderr


def _logged(image: Path) -> str:
    from ml.contract.decoding import decode, image_id
    from ml.contract.quality import measure

    pixels = decode(image.read_bytes()).pixels
    record = {
        "request_id": "trace-test",
        "at": datetime(2026, 5, 4, 9, tzinfo=UTC).isoformat(),
        "channel": "predict",
        "image_id": image_id(pixels),
        "model": {"name": "vigie", "version": "1", "bundle": "0" * 64},
        "label": "normal",
        "action": "report",
        "reasons": [],
        "probabilities": {"normal": 1.0},
        "embedding": [],
        "statistics": measure(pixels).model_dump(),
        "total_ms": 1.0,
    }
    return json.dumps(record)
