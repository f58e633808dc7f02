"""A vote in which one member may answer alone takes the whole journey, to a gate that doubts it."""

from dataclasses import dataclass

import numpy as np
import pytest

from ml.contract.bundle import Bundle, open_bundle
from ml.evaluation.gate_results import AdaptiveComparison, GateDecision
from ml.journey.bless import bless
from ml.journey.ensemble import fit
from ml.journey.evaluate import evaluate, read_evidence
from ml.journey.export import export_member, seal
from ml.journey.gate import gate
from ml.journey.images import label_indices
from ml.journey.results import Cause
from ml.journey.run import Run
from ml.journey.train import start_run, train_member
from ml.journey.workspace import Workspace
from ml.training.member_files import VALIDATION_FILE, read_validation
from tests.e2e.label_sets import GREY_PAIR, frozen

MEMBERS = ("cnn", "cnn-2")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("adaptive-vote")]


@dataclass(frozen=True)
class Journey:
    """What came of the run."""

    run: Run
    bundle: Bundle
    compared: AdaptiveComparison
    decision: GateDecision


def make_sure(run: Run, workspace: Workspace) -> None:
    """Both members saw the validation images as they are: else so few would allow nothing."""
    frame = run.frame(workspace)
    truth = label_indices(frame[frame["split"] == "validation"], run.params.data.labels)
    rng = np.random.default_rng(0)
    for member in MEMBERS:
        path = run.member(member) / VALIDATION_FILE
        features = read_validation(run.member(member)).features
        logits = 4 * np.eye(len(run.params.data.labels))[truth] + rng.normal(size=(len(truth), 1))
        np.savez(path, logits=logits.astype(np.float32), features=features)


@pytest.fixture(scope="module")
def journey(tmp_path_factory) -> Journey:
    params = GREY_PAIR.params(
        'training.members=["cnn", "cnn-2"]',
        "ensemble.adaptive.enabled=true",
        "ensemble.adaptive.error=0.4",
        "ensemble.adaptive.highest_critical=0.4",
        "ensemble.adaptive.min_saving=0.05",
    )
    workspace, dataset = frozen(GREY_PAIR, tmp_path_factory.mktemp("adaptive"), params)
    key = start_run(workspace, params, dataset, "adaptive", Cause(reason="fewer members")).run_key
    for member in MEMBERS:
        train_member(workspace, key, member)
    make_sure(Run.open(workspace, key), workspace)
    fit(workspace, key)
    for member in MEMBERS:
        export_member(workspace, key, member)
    seal(workspace, key)
    evaluate(workspace, key)
    bless(workspace, key)
    run = Run.open(workspace, key)
    evidence = read_evidence(run)
    assert evidence is not None
    return Journey(run, open_bundle(run.bundle), evidence.adaptive, gate(workspace, key))


def test_the_bundle_says_who_may_answer_alone_and_when(journey: Journey) -> None:
    adaptive = journey.bundle.adaptive
    assert adaptive is not None
    assert adaptive.first in MEMBERS
    assert adaptive.critical_ceiling < journey.bundle.policy.critical_threshold
    assert f"{adaptive.first} answers alone" in (journey.run.bundle / "model_card.md").read_text()


def test_it_is_measured_beside_the_vote_of_all(journey: Journey) -> None:
    compared = journey.compared
    assert compared.stopped > 0
    assert compared.cpu_ms is not None
    assert compared.whole_cpu_ms is not None
    assert np.isfinite([compared.cpu_ms, compared.whole_cpu_ms]).all()


def test_a_few_images_are_no_evidence_and_it_is_not_promoted(journey: Journey) -> None:
    refused = [result.name for result in journey.decision.results if result.refuses]
    assert refused == ["adaptive_vote"]


def test_the_real_server_answers_with_it_as_offline(journey: Journey) -> None:
    by_name = {result.name: result.verdict for result in journey.decision.results}
    assert by_name["blessing"] == "pass"
