"""A person between the gates and production: asked, answering, silent, and bypassed."""

import json
import shutil

import pytest

from ml.contract.errors import AlreadyDecided, Refusal
from ml.journey.approval import (
    read_approval,
    record_approval,
    record_silence,
    request_approval,
)
from ml.journey.promote import promote, register
from ml.journey.run import Run, database_of, tracker_of
from ml.registry.models import MODEL_NAME, PRODUCTION, point_alias
from ml.store.ledger import read
from tests.e2e.conftest import Journey

pytestmark = pytest.mark.slow


@pytest.fixture
def asking(journey: Journey, request: pytest.FixtureRequest):
    """A run like the journey's, whose parameters ask for a person; how it is made. Its model, the
    journey's, is not in production meanwhile."""
    made = []
    tracker = tracker_of(journey.workspace)
    tracker.client.delete_registered_model_alias(MODEL_NAME, PRODUCTION)

    def make(started_by: str = "", **gates: object) -> str:
        key = f"approval-{len(made)}-{abs(hash(request.node.name)) % 10**6}"
        workspace = journey.workspace
        shutil.copytree(workspace.run(journey.summary["run_key"]), workspace.run(key))
        made.append(workspace.run(key))
        path = workspace.run(key) / "run.json"
        content = json.loads(path.read_text())
        content["info"] |= {"run_key": key, "started_by": started_by}
        content["params"]["gates"] |= gates
        path.write_text(json.dumps(content))
        return key

    yield make
    point_alias(tracker, PRODUCTION, "1")
    for folder in made:
        shutil.rmtree(folder)


def answer(journey: Journey, key: str, *, approved: bool, by: str = "Dr. Amal"):
    workspace = journey.workspace
    return record_approval(
        workspace,
        key,
        register(workspace, key),
        approved=approved,
        by=by,
        reason="the slices are even",
    )


def test_nobody_is_asked_unless_the_parameters_say_so(journey, asking):
    assert not request_approval(journey.workspace, asking(approval="never")).needed
    for kind in ("always", "critical"):
        assert request_approval(journey.workspace, asking(approval=kind)).needed


def test_whoever_is_asked_has_the_evidence_before_them(journey, asking):
    request = request_approval(journey.workspace, asking(approval="always"))
    assert "every model is approved by a person" in request.body
    assert journey.summary["dataset_id"] in request.body
    assert "critical sensitivity" in request.body
    assert "malignant" in request.body


def test_without_an_answer_nothing_is_promoted(journey, asking):
    key = asking(approval="always")
    with pytest.raises(Refusal, match="waits for approval"):
        promote(journey.workspace, key, actor="ops")


def test_what_a_person_refused_is_not_promoted(journey, asking):
    key = asking(approval="always")
    answer(journey, key, approved=False)
    with pytest.raises(Refusal, match="refused by a person") as refusal:
        promote(journey.workspace, key, actor="ops")
    assert refusal.value.reasons == ["Dr. Amal: the slices are even"]


def test_an_approved_model_goes_on_and_the_ledger_names_who_approved(journey, asking):
    key = asking(approval="always")
    answer(journey, key, approved=True)
    assert promote(journey.workspace, key, actor="ops").version == "1"
    line = [line for line in read(database_of(journey.workspace)) if line.action == "approve"][-1]
    assert (line.actor, line.subject) == ("Dr. Amal", "vigie/1")
    assert line.evidence["run_key"] == key


def test_whoever_started_a_run_may_not_approve_it_where_a_second_person_must(journey, asking):
    key = asking(approval="always", second_person=True, started_by="ada")
    for name in ("ada", "airflow:ada"):
        with pytest.raises(Refusal, match="does not approve"):
            answer(journey, key, approved=True, by=name)
    assert read_approval(Run.open(journey.workspace, key)) is None
    answer(journey, key, approved=False, by="airflow:ada")
    answer(journey, key, approved=True, by="airflow:bo")


def test_a_refusal_holds_where_nobody_was_asked(journey, asking):
    key = asking(approval="never")
    answer(journey, key, approved=False)
    with pytest.raises(Refusal, match="refused by a person"):
        promote(journey.workspace, key, actor="ops")


def test_the_same_answer_is_written_once(journey, asking):
    key = asking(approval="always")
    first = answer(journey, key, approved=True)
    lines = len(read(database_of(journey.workspace)))
    assert answer(journey, key, approved=True) == first
    assert len(read(database_of(journey.workspace))) == lines


def test_what_is_in_production_cannot_be_refused_any_more(journey, asking):
    key = asking(approval="always")
    answer(journey, key, approved=True)
    promote(journey.workspace, key, actor="ops")
    with pytest.raises(AlreadyDecided) as told:
        answer(journey, key, approved=False, by="Bo")
    assert told.value.reasons == ["Dr. Amal approved it"]
    assert "Roll back" in told.value.remedy


def test_silence_refuses_unless_a_person_answered_elsewhere(journey, asking):
    silent, answered = asking(approval="always"), asking(approval="always")
    given = answer(journey, answered, approved=True)
    version = register(journey.workspace, silent)
    assert not record_silence(journey.workspace, silent, version, by="nobody in time").approved
    assert record_silence(journey.workspace, answered, version, by="nobody in time") == given


def test_an_approval_is_of_one_bundle_alone(journey, asking):
    key = asking(approval="always")
    answer(journey, key, approved=True)
    path = journey.workspace.run(key) / "approval.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "bundle_sha256": "0" * 64}))
    with pytest.raises(Refusal, match="waits for approval"):
        promote(journey.workspace, key, actor="ops")


def test_the_command_shows_the_evidence_and_takes_the_answer(journey, asking):
    key = asking(approval="always")
    said = journey.vigie("approve", "--run", key, "--reason", "seen", "--refuse")
    assert said.returncode == 0, said.stderr
    assert "Refused by" in said.stdout
    assert "critical sensitivity" in said.stdout
    refused = journey.vigie("promote", "--run", key)
    assert refused.returncode == 3
    assert "refused by a person" in refused.stderr
