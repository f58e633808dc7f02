"""Other image types and other labels take the whole journey by parameters alone."""

from dataclasses import dataclass

import pytest

from ml.contract.bundle import open_bundle
from ml.evaluation.gate_results import GateDecision
from ml.journey.bless import bless
from ml.journey.ensemble import fit
from ml.journey.evaluate import evaluate
from ml.journey.export import export_member, seal
from ml.journey.gate import gate
from ml.journey.results import Cause, EvaluationSummary
from ml.journey.run import Run
from ml.journey.train import start_run, train_member
from tests.e2e.label_sets import COLOUR_FIVE, GREY_PAIR, LabelSet, frozen


@dataclass(frozen=True)
class Journey:
    """Where one label set's journey came to."""

    label_set: LabelSet
    run: Run
    evaluation: EvaluationSummary
    decision: GateDecision


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(GREY_PAIR, id="2-grey", marks=pytest.mark.xdist_group("label-set-2")),
        pytest.param(COLOUR_FIVE, id="5-colour", marks=pytest.mark.xdist_group("label-set-5")),
    ],
)
def journey(request, tmp_path_factory) -> Journey:
    label_set = request.param
    params = label_set.params()
    workspace, dataset = frozen(label_set, tmp_path_factory.mktemp("labels"), params)
    key = start_run(workspace, params, dataset, "labels", Cause(reason="other labels")).run_key
    train_member(workspace, key, "cnn")
    fit(workspace, key)
    export_member(workspace, key, "cnn")
    seal(workspace, key)
    evaluation = evaluate(workspace, key)
    bless(workspace, key)
    return Journey(label_set, Run.open(workspace, key), evaluation, gate(workspace, key))


pytestmark = pytest.mark.slow


def test_the_bundle_carries_labels_and_channels(journey: Journey) -> None:
    bundle = open_bundle(journey.run.bundle)
    assert tuple(bundle.labels) == journey.label_set.labels
    assert bundle.input.channels == journey.label_set.channels


def test_the_model_tells_the_labels_apart(journey: Journey) -> None:
    assert journey.evaluation.headline["accuracy"].estimate > 0.9


def test_the_real_server_and_all_gates_take_it(journey: Journey) -> None:
    assert journey.decision.promote, journey.decision.reasons


def test_the_model_card_speaks_of_these_labels(journey: Journey) -> None:
    card = (journey.run.bundle / "model_card.md").read_text()
    assert all(label in card for label in journey.label_set.labels)
