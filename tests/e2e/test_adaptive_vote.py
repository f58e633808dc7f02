"""A vote in which one member may answer alone takes the whole journey, to a gate that doubts it."""

from dataclasses import dataclass

import numpy as np
import pytest

from ml.contract.bundle import AdaptiveVote, Bundle, open_bundle
from ml.evaluation.gate_results import AdaptiveComparison, GateDecision
from ml.journey.bless import bless
from ml.journey.ensemble import fit, read_ensemble
from ml.journey.evaluate import evaluate, read_evidence
from ml.journey.export import export_member, seal
from ml.journey.gate import gate
from ml.journey.run import Run, write_json
from ml.journey.train import start_run, train_member
from ml.training.member_files import read_validation
from ml.training.projection import fit_projection
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


def let_answer_alone(run: Run, first: str) -> None:
    """Rewrite the fitted vote: so few images would not have allowed it."""
    definition, _ = read_ensemble(run)
    assert definition.adaptive is None
    features = read_validation(run.member(first)).features
    projection = fit_projection([features], definition.embedding_components)
    np.savez(
        run.ensemble / "projection.npz", mean=projection.mean, components=projection.components
    )
    adaptive = AdaptiveVote(
        first=first,
        temperature=1.0,
        critical_ceiling=definition.policy.critical_threshold / 2,
        confidence=0.6,
        stopped=0.5,
    )
    equal = {"members": dict.fromkeys(MEMBERS, 1 / len(MEMBERS)), "adaptive": adaptive}
    write_json(
        run.ensemble / "ensemble.json",
        definition.model_copy(update=equal).model_dump(mode="json"),
    )


@pytest.fixture(scope="module")
def journey(tmp_path_factory) -> Journey:
    params = GREY_PAIR.params(
        'training.members=["cnn", "cnn-2"]',
        "ensemble.adaptive.enabled=true",
    )
    workspace, dataset = frozen(GREY_PAIR, tmp_path_factory.mktemp("adaptive"), params)
    key = start_run(workspace, params, dataset, "adaptive", "fewer members").run_key
    for member in MEMBERS:
        train_member(workspace, key, member)
    fit(workspace, key)
    let_answer_alone(Run.open(workspace, key), "cnn")
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
    assert refused == ["adaptive_critical_sensitivity"]


def test_the_real_server_answers_with_it_as_offline(journey: Journey) -> None:
    by_name = {result.name: result.verdict for result in journey.decision.results}
    assert by_name["blessing"] == "pass"
