from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ml.contract.errors import BatchHeld, InvalidParams, NotFound, Refusal
from ml.data.manifest import read_manifest
from ml.data.phantoms.files import encode
from ml.data.results import ValidationReport
from ml.journey import batches, ingest, quarantine
from ml.journey.review import reviewed
from ml.journey.run import database_of
from ml.journey.validate import validate
from ml.journey.workspace import Workspace
from ml.params import Params, load_params
from ml.store import ledger
from tests.unit.data.home import PROJECT


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(tmp_path / "home", expectations=PROJECT / "expectations")


@pytest.fixture
def params() -> Params:
    return load_params(PROJECT / "params.toml")


def _deliver(workspace: Workspace, name: str, seed: int, *, width: int = 80) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (80, width), dtype=np.uint8)
    path = Path(workspace.landing) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(pixels, "image/png"))
    return path


def _take_in(workspace: Workspace, params: Params) -> ValidationReport:
    plan = ingest.plan(workspace, params)
    for index in range(plan.shards):
        ingest.ingest_shard(workspace, params, plan.batch_id, index)
    ingest.merge(workspace, plan.batch_id)
    return validate(workspace, params, plan.batch_id)


def _lines(workspace: Workspace, action: str) -> list:
    return [line for line in ledger.read(database_of(workspace)) if line.action == action]


def test_a_release_is_entered_and_the_file_comes_in(workspace: Workspace, params: Params) -> None:
    _deliver(workspace, "benign/strip.png", 1, width=400)
    _take_in(workspace, params)
    files = quarantine.chosen(workspace, code="too-elongated")
    quarantine.release(workspace, params, files, reason="a panorama", actor="erika")
    (line,) = _lines(workspace, "release")
    assert (line.actor, line.reason) == ("erika", "a panorama")
    assert line.evidence["files"] == {files[0].quarantine_id: ["too-elongated"]}
    assert _take_in(workspace, params).accepted == 1
    assert quarantine.chosen(workspace, [files[0].quarantine_id[:9]])[0].state == "accepted"


def test_many_are_chosen_by_fault_and_batch(workspace: Workspace, params: Params) -> None:
    for seed in range(2):
        _deliver(workspace, f"benign/{seed}.png", seed, width=400)
    _deliver(workspace, "cyst/2.png", 2)
    batch_id = _take_in(workspace, params).batch_id
    assert len(quarantine.chosen(workspace)) == 3
    assert len(quarantine.chosen(workspace, code="unknown-label", batch=batch_id)) == 1
    assert quarantine.chosen(workspace, batch="another") == []
    files = quarantine.chosen(workspace, code="too-elongated")
    quarantine.discard(workspace, files, reason="not ours", actor="erika")
    (line,) = _lines(workspace, "discard")
    assert (line.subject, len(line.evidence["files"])) == ("quarantine/2 files", 2)
    assert [item.code for item in quarantine.chosen(workspace)] == ["unknown-label"]


def test_nothing_is_released_where_one_cannot_be(workspace: Workspace, params: Params) -> None:
    _deliver(workspace, "cyst/1.png", 1)
    _deliver(workspace, "benign/strip.png", 2, width=400)
    _take_in(workspace, params)
    files = quarantine.chosen(workspace)
    with pytest.raises(Refusal, match="Nothing was released") as refused:
        quarantine.release(workspace, params, files, reason="why not", actor="erika")
    assert any("give --label" in reason for reason in refused.value.reasons)
    with pytest.raises(InvalidParams, match="no label 'cyst'"):
        quarantine.release(workspace, params, files, reason="x", actor="erika", label="cyst")
    assert _lines(workspace, "release") == []
    done = quarantine.release(workspace, params, files, reason="x", actor="e", label="normal")
    with pytest.raises(Refusal) as again:
        quarantine.release(workspace, params, done, reason="x", actor="e", label="normal")
    assert all("is released already" in reason for reason in again.value.reasons)


@pytest.mark.parametrize("released", [True, False])
def test_which_of_two_labels_counts_is_decided_for_the_next_dataset(
    workspace: Workspace, params: Params, *, released: bool
) -> None:
    first = _deliver(workspace, "benign/1.png", 1)
    _take_in(workspace, params)
    copy = first.parents[1] / "malignant" / "1.png"
    copy.parent.mkdir()
    copy.write_bytes(first.read_bytes())
    assert _take_in(workspace, params).rejected == {"same image, other label": 1}
    files = quarantine.chosen(workspace)
    if released:
        quarantine.release(workspace, params, files, reason="second reading", actor="erika")
    else:
        quarantine.discard(workspace, files, reason="second reading", actor="erika")
    decided = reviewed(workspace)
    assert decided.labels == ({files[0].image_id: "malignant"} if released else {})
    assert decided.images == {files[0].image_id}
    assert quarantine.chosen(workspace) == []
    # Neither label is a contradiction from now on.
    copy.rename(copy.with_stem("2"))
    assert _take_in(workspace, params).rejected == {"duplicate of an image already stored": 1}


def test_an_export_is_entered_and_readable_by_its_owner_alone(
    workspace: Workspace, params: Params, tmp_path: Path
) -> None:
    source = _deliver(workspace, "cyst/1.png", 1)
    _take_in(workspace, params)
    (item,) = quarantine.chosen(workspace)
    target = quarantine.export(workspace, item, tmp_path / "out.png", actor="erika")
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mode & 0o777 == 0o600
    assert [line.actor for line in _lines(workspace, "export")] == ["erika"]


def test_content_that_nobody_decided_on_is_destroyed_in_time(
    workspace: Workspace, params: Params
) -> None:
    _deliver(workspace, "cyst/1.png", 1)
    _take_in(workspace, params)
    days = params.data.quality.quarantine_days
    now = datetime.now(UTC)
    assert quarantine.expire(workspace, params, now=now + timedelta(days=days - 1)) == 0
    assert quarantine.expire(workspace, params, now=now + timedelta(days=days + 1)) == 1
    (item,) = quarantine.chosen(workspace, state=None)
    assert (item.state, item.content) == ("expired", "none")
    (line,) = _lines(workspace, "discard")
    assert (line.actor, line.reason) == ("pipeline", f"not decided on within {days} days")


def _hold(workspace: Workspace, params: Params) -> str:
    for seed in range(6):
        _deliver(workspace, f"benign/{seed}.png", seed)
        _deliver(workspace, f"cyst/{seed}.png", 100 + seed)
    with pytest.raises(BatchHeld) as held:
        _take_in(workspace, params)
    return str(held.value.details["batch_id"])


def test_a_held_batch_is_listed_and_taken_by_a_person(workspace: Workspace, params: Params) -> None:
    batch_id = _hold(workspace, params)
    (item,) = batches.batches(workspace)
    assert (item.batch_id, item.state, item.files) == (batch_id, "held", 12)
    report = batches.accept(workspace, params, batch_id[:6], reason="known", actor="erika")
    assert report.accepted == 6
    assert batches.batch(workspace, batch_id).state == "committed"
    (line,) = _lines(workspace, "accept")
    assert (line.actor, line.subject) == ("erika", f"batch/{batch_id}")
    assert line.evidence["rejected"] == {"unknown label": 6}
    with pytest.raises(Refusal, match="is committed, not held"):
        batches.accept(workspace, params, batch_id, reason="again", actor="erika")


def test_a_discarded_batch_does_not_come_back(workspace: Workspace, params: Params) -> None:
    batch_id = _hold(workspace, params)
    batches.discard(workspace, batch_id, reason="wrong hospital", actor="erika")
    assert batches.batch(workspace, batch_id).state == "discarded"
    assert read_manifest(workspace.manifest).empty
    assert [line.reason for line in _lines(workspace, "discard")] == ["wrong hospital"]
    with pytest.raises(NotFound, match="No batches"):
        batches.batch(workspace, "f" * 16)
    _deliver(workspace, "normal/new.png", 50)
    assert _take_in(workspace, params).accepted == 1


def test_a_released_file_goes_with_the_batch_that_a_person_turns_away(
    workspace: Workspace, params: Params
) -> None:
    _deliver(workspace, "benign/strip.png", 1, width=400)
    _take_in(workspace, params)
    files = quarantine.chosen(workspace)
    quarantine.release(workspace, params, files, reason="a panorama", actor="erika")
    batch_id = _hold(workspace, params)
    batches.discard(workspace, batch_id, reason="wrong hospital", actor="erika")
    (item,) = quarantine.chosen(workspace, [files[0].quarantine_id])
    assert (item.state, item.content) == ("discarded", "none")
    assert "wrong hospital" in item.history[-1].reason


def test_a_decision_on_a_held_batch_that_was_interrupted_can_be_repeated(
    workspace: Workspace, params: Params
) -> None:
    batch_id = _hold(workspace, params)
    report = workspace.batch(batch_id) / "validation.json"
    held = report.read_bytes()
    batches.accept(workspace, params, batch_id, reason="known", actor="erika")
    report.write_bytes(held)  # as of a process that was killed before the last thing it writes
    assert batches.batch(workspace, batch_id).state == "held"
    again = batches.accept(workspace, params, batch_id, reason="known", actor="erika")
    assert (again.accepted, again.held) == (6, False)
    assert len(read_manifest(workspace.manifest)) == 6
    assert batches.batch(workspace, batch_id).state == "committed"
    report.write_bytes(held)
    batches.discard(workspace, batch_id, reason="not known after all", actor="erika")
    assert batches.batch(workspace, batch_id).state == "discarded"
    assert read_manifest(workspace.manifest).empty


def test_a_held_batch_whose_files_came_with_a_later_one_waits_for_nobody(
    workspace: Workspace, params: Params
) -> None:
    batch_id = _hold(workspace, params)
    for seed in range(40):
        _deliver(workspace, f"normal/{seed}.png", 200 + seed)
    assert _take_in(workspace, params).accepted == 46
    assert batches.batch(workspace, batch_id).state == "superseded"
