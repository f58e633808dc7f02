"""A small delivery with faults through the real stages, and the numbers about it."""

import shutil
import time

import pytest

from ml.data.phantoms import CohortSpec, Faults, write_cohort
from ml.journey.dataset import freeze
from ml.journey.ingest import ingest_shard, merge, plan
from ml.journey.validate import validate
from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from ml.telemetry.data import BatchNumbers, DatasetNumbers, LandingNumbers, QuarantineNumbers
from tests.unit.telemetry.samples import samples

PARAMS = load_params(
    PROJECT_ROOT / "params.toml",
    overrides=["data.min_images_per_class=4", "data.min_groups_per_class=3"],
)
FILES = 60


def numbers(workspace):
    return [
        BatchNumbers(workspace).read,
        QuarantineNumbers(workspace).read,
        DatasetNumbers(workspace).read,
        LandingNumbers(workspace, lambda: PARAMS).read,
    ]


def read(sources):
    return samples(family for source in sources for family in source())


@pytest.fixture(scope="module")
def journey(tmp_path_factory):
    """The workspace, and what was read before a delivery, after it, and after its dataset."""
    home = tmp_path_factory.mktemp("data")
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    workspace.landing.mkdir()
    sources = numbers(workspace)
    seen = [read(sources)]
    mix = {"normal": 0.4, "benign": 0.3, "malignant": 0.3}
    cohort = CohortSpec(images=FILES, class_mix=mix, faults=Faults(truncated=2, duplicate=1))
    write_cohort(cohort, workspace.landing / "first")
    seen.append(read(sources))
    batch = plan(workspace, PARAMS)
    for index in range(batch.shards):
        ingest_shard(workspace, PARAMS, batch.batch_id, index)
    merge(workspace, batch.batch_id)
    seen.append(read(sources))
    validate(workspace, PARAMS, batch.batch_id)
    freeze(workspace, PARAMS)
    seen.append(read(sources))
    return workspace, seen


def test_an_empty_installation_counts_nothing(journey):
    _, (empty, *_) = journey
    assert empty["vigie_batches/committed"] == empty["vigie_datasets"] == 0
    assert empty["vigie_landing_waiting_files"] == 0
    assert "vigie_landing_oldest_timestamp_seconds" not in empty
    assert "vigie_newest_image_timestamp_seconds" not in empty


def test_what_landed_waits_until_its_batch_is_committed(journey):
    _, (_, landed, ingested, done) = journey
    for found in (landed, ingested):
        assert found["vigie_landing_waiting_files"] == FILES + 3
        assert 0 < time.time() - found["vigie_landing_oldest_timestamp_seconds"] < 600
    assert ingested["vigie_batches/ingested"] == 1
    assert "vigie_batch_oldest_unsettled_timestamp_seconds" in ingested
    assert done["vigie_landing_waiting_files"] == 0
    assert "vigie_batch_oldest_unsettled_timestamp_seconds" not in done


def test_files_are_counted_by_what_became_of_them(journey):
    _, (*_, done) = journey
    assert done["vigie_batches/committed"] == 1
    assert done["vigie_ingested_files_total/accepted"] == FILES
    assert done["vigie_ingested_files_total/rejected"] == 2
    assert done["vigie_ingested_files_total/repeated"] == 1
    assert done["vigie_rejected_files_total/damaged or cut short"] == 2
    assert done["vigie_quarantined_files/unreadable-image"] == 2
    assert 0 < time.time() - done["vigie_newest_image_timestamp_seconds"] < 600


def test_the_newest_dataset_is_told_by_split_and_label(journey):
    _, (*_, done) = journey
    sizes = {name: n for name, n in done.items() if name.startswith("vigie_dataset_images/")}
    assert sum(sizes.values()) == FILES
    assert len(sizes) == 9
    assert done["vigie_dataset_left_out_images/waiting"] == 0
    assert 0 < time.time() - done["vigie_dataset_created_timestamp_seconds"] < 600


def test_the_landing_zone_is_looked_through_only_when_something_changed(journey, tmp_path):
    workspace, _ = journey
    asked = []
    landing = LandingNumbers(workspace, lambda: asked.append(1) or PARAMS)
    samples(landing.read())
    samples(landing.read())
    assert len(asked) == 1
    (workspace.landing / "second" / "normal").mkdir(parents=True)
    shutil.copy(next(workspace.landing.glob("first/*/*.*")), workspace.landing / "second/normal")
    assert samples(landing.read())["vigie_landing_waiting_files"] == 1
