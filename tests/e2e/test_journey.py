import json

import pandas as pd
import pytest

from ml.contract.bundle import bundle_sha256, open_bundle
from ml.journey.run import Run
from ml.store import ledger
from ml.store.database import open_database
from tests.e2e.conftest import Journey, overrides

pytestmark = pytest.mark.slow


def test_a_folder_of_images_becomes_a_model_in_production(journey: Journey) -> None:
    assert journey.summary["promoted"], journey.summary["reasons"]
    versions = json.loads(journey.vigie("--json", "versions").stdout)
    assert versions["production"]["bundle_sha256"] == journey.summary["bundle_sha256"]
    assert versions["challenger"]["version"] == versions["production"]["version"] == "1"


def test_the_bundle_is_what_the_summary_names(journey: Journey) -> None:
    run = Run.open(journey.workspace, journey.summary["run_key"])
    assert bundle_sha256(run.bundle) == journey.summary["bundle_sha256"]
    assert open_bundle(run.bundle).dataset_id == journey.summary["dataset_id"]


def test_the_ledger_tells_the_story_in_order(journey: Journey) -> None:
    database = open_database(journey.workspace.database_url)
    actions = [entry.action for entry in ledger.read(database)][:3]
    assert actions == ["gate", "register", "promote"]
    ledger.verify(database)


def test_both_splits_are_reported(journey: Journey) -> None:
    (paper,) = journey.summary["paper"]
    assert paper["member"] == "cnn"
    assert 0 < paper["honest_accuracy"] <= 1
    assert 0 < paper["paper_accuracy"] <= 1


def test_no_group_stands_on_two_sides_of_the_honest_split(journey: Journey) -> None:
    rows = pd.read_parquet(
        journey.workspace.datasets / journey.summary["dataset_id"] / "rows.parquet"
    )
    assert (rows.groupby("group")["split"].nunique() == 1).all()
    assert (rows.groupby("group")["paper_split"].nunique() > 1).any()


def test_the_same_folder_again_adds_nothing(journey: Journey) -> None:
    images = journey.home.parent / "images"
    again = journey.vigie("--json", "ingest", str(images), *overrides())
    assert again.returncode == 3
    assert json.loads(again.stdout)["error"] == "nothing-to-ingest"


def test_an_empty_landing_zone_is_a_clear_refusal(journey: Journey) -> None:
    empty = journey.home.parent / "empty"
    empty.mkdir(exist_ok=True)
    refused = journey.vigie("ingest", str(empty))
    assert refused.returncode == 3
    assert "Traceback" not in refused.stderr
    assert str(empty) in refused.stderr.replace("\n", "")
