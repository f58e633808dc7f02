"""A site is backed up while its server answers, wiped, and restored elsewhere."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ml.settings import Settings
from ml.stack.backup import back_up
from ml.stack.installation import Installation
from ml.stack.restore import restore
from ml.store.database import open_database
from ml.store.feedback import read_feedback
from tests.e2e.conftest import Journey
from tests.e2e.planted import planted_under
from tests.e2e.safekeeping import ask, at, correct, lasting, run, served, told
from tests.e2e.serving import serving

pytestmark = pytest.mark.slow


class Kept:
    """What was known of a site before it was lost, and the site as it was restored."""

    before: dict[str, Any]
    answer: dict[str, Any]
    files: dict[str, bytes]
    site: Journey
    image: Path
    folder: Path


@pytest.fixture(scope="module")
def kept(journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("kept")
    # The journey is others', too: what is lost here is a copy of it.
    lost = at(journey, folder / "lost")
    first, keys = folder / "first", folder / "keys"
    back_up(installation(journey.home), first, keys=folder / "first-keys")
    restore(installation(lost.home), first, keys=folder / "first-keys")

    kept = Kept()
    kept.folder, kept.image = folder, next((journey.home.parent / "images").rglob("*.png"))
    waiting = ask(lost, "quarantine")[0]["quarantine_id"]
    ask(lost, "quarantine", "discard", waiting, "--reason", "a test of restoring")
    with serving(lost, folder / "before.log") as url:
        answer = served(url, kept.image)
        correct(url, answer, lost.workspace.database_url)
        kept.answer, kept.before = lasting(answer), told(lost, kept.image)
        run(lost, "backup", str(folder / "backups"), "--secrets", str(keys))
    kept.files = _lasting(lost.home)
    shutil.rmtree(lost.home)

    kept.site = at(journey, folder / "restored" / "var")
    run(kept.site, "restore", str(folder / "backups"), "--secrets", str(keys))
    return kept


def installation(home: Path) -> Installation:
    return Installation.of(Settings(home=home))


def _lasting(home: Path) -> dict[str, bytes]:
    trees = ("datasets", "runs", "store", "docs", "secrets", "mlflow/artifacts")
    return {
        str(path.relative_to(home)): path.read_bytes()
        for tree in trees
        for path in (home / tree).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_models_ledger_quarantine_and_past_answers_are_as_before(kept: Kept) -> None:
    assert kept.before["versions"]
    assert any(line["reason"] == "a test of restoring" for line in kept.before["ledger"])
    assert told(kept.site, kept.image) == kept.before


def test_every_image_dataset_run_and_key_is_as_before(kept: Kept) -> None:
    assert len(kept.files) > 500
    assert _lasting(kept.site.home) == kept.files


def test_corrections_are_as_before(kept: Kept) -> None:
    (correction,) = read_feedback(open_database(kept.site.workspace.database_url))
    assert (correction.author, correction.label) == ("Dr. A", "normal")


def test_a_server_answers_alike_from_the_registry_of_the_new_home(
    kept: Kept, tmp_path: Path
) -> None:
    assert not (kept.site.home / "cache").exists()
    with serving(kept.site, tmp_path / "after.log") as url:
        assert lasting(served(url, kept.image)) == kept.answer


def test_sealed_quarantine_opens_with_the_restored_key(kept: Kept) -> None:
    for item in kept.before["quarantine --all"]:
        if item["state"] == "waiting":
            ask(kept.site, "quarantine", "show", item["quarantine_id"])


def test_the_dataset_is_the_one_that_the_run_names(kept: Kept) -> None:
    dataset = kept.site.summary["dataset_id"]
    run = kept.site.workspace.run(kept.site.summary["run_key"])
    assert json.loads((run / "run.json").read_text())["info"]["dataset_id"] == dataset
    ask(kept.site, "dataset", "diff", dataset, dataset)


def test_no_key_and_no_patient_is_in_the_backup(kept: Kept) -> None:
    backups = kept.folder / "backups"
    keys = [path.read_bytes() for path in (kept.site.home / "secrets").iterdir()]
    assert keys
    for path in (path for path in backups.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not [key for key in keys if key in content]
    assert planted_under(backups) == {}
