import re
from datetime import UTC, datetime

import pytest

from ml.contract.bundle import InputSpec, QuantizationSpec
from ml.evaluation.gate_results import (
    DifferenceEstimate,
    GateDecision,
    GateResult,
    IncumbentComparison,
    ParityEvidence,
    SplitWear,
)
from ml.evaluation.model_card import CardFacts
from ml.evaluation.release_card import ReleaseFacts, render_release_card, render_summary
from tests.unit.evaluation.conftest import LABELS, POLICY

REFUSAL = "malignant sensitivity 0.71, lower bound 0.55 < floor 0.80"


@pytest.fixture(scope="module")
def refused() -> GateDecision:
    gate = GateResult(
        name="critical_sensitivity", verdict="refuse", evidence=REFUSAL, value=0.55, bound=0.8
    )
    return GateDecision(
        promote=False,
        results=[gate],
        reasons=[REFUSAL],
        confidence=0.99,
        wear=SplitWear(test_split="ab12", use=1, earlier=[]),
        sufficiency=[],
    )


@pytest.fixture(scope="module")
def facts(report, refused):
    sealed = CardFacts(
        name="vigie",
        run_key="weekly-7",
        created_at=datetime(2026, 11, 20, tzinfo=UTC),
        git_commit="abc1234",
        trained_because="weekly run",
        labels=LABELS,
        dataset_id="d41d8cd9",
        images=2200,
        groups=700,
        per_split={},
        per_site={"north": 2200},
        per_scanner={"alpha": 1200, "beta": 1000},
        members=[],
        input=InputSpec(height=80, width=80, channels=1),
        temperature=1.3,
        policy=POLICY,
        quantization=QuantizationSpec(
            calibration_method="minmax",
            calibration_images=48,
            per_channel=True,
            reduce_range=False,
            cpu_model="a CPU",
            cpu_features=[],
        ),
        validation=report,
    )
    difference = DifferenceEstimate(wins=0.02, losses=0.032, effective_n=200, n=330, groups=110)
    return ReleaseFacts(
        version="7",
        bundle_sha256="9f86d081884c7d65" * 4,
        sealed=sealed,
        profile="standard",
        params_sha256="e3b0c44298fc1c14",
        lock_sha256="5feceb66ffc86f38",
        training={"epochs": "30"},
        leak={"near-duplicate pairs": 11},
        test=report,
        parity=ParityEvidence(flip_rate=0.003, critical_sensitivity_loss=0.0, n=330),
        incumbent=IncumbentComparison(
            incumbent="6",
            critical_label="malignant",
            accuracy=difference,
            sensitivity={"malignant": difference},
            slices=[],
        ),
        serving={"memory": "410 MB"},
        decision=refused,
    )


def section(card: str, title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", card, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def test_the_card_warns_before_anything_else(facts):
    assert "Not for clinical use" in render_release_card(facts).splitlines()[2]


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("Summary", REFUSAL),
        ("Data", "| near-duplicate pairs | 11 |"),
        ("How it was built", "| epochs | 30 |"),
        ("How it was built", "![learning curves](learning_curves.png)"),
        ("Test", "![slices](slices.png)"),
        ("Test", "| malignant sensitivity | -0.012 | -0.0"),
        ("Test", "0.30% of the labels differ"),
        ("In the server", "| memory | 410 MB |"),
        ("Gates", f"| critical sensitivity | **refuse** | {REFUSAL} | 0.55 | 0.8 |"),
        ("On validation images", "the numbers flatter"),
        ("Limits", "All images come from one site"),
        ("Limits", "Too few test images to judge: site south"),
        ("To repeat it", "`vigie reproduce 7`"),
        ("To repeat it", "dataset `d41d8cd9`, code `abc1234`, parameters `e3b0c44298fc`"),
    ],
)
def test_each_section_tells_its_part(title, told, facts):
    assert told in section(render_release_card(facts), title)


def test_a_dimension_with_several_values_is_no_limit(facts):
    assert "one scanner" not in section(render_release_card(facts), "Limits")


def test_stages_that_left_nothing_are_said_to_be_missing_and_no_figure_is_named(facts):
    nothing = dict.fromkeys(("test", "parity", "incumbent", "decision"))
    card = render_release_card(facts.model_copy(update={**nothing, "serving": {}}))
    assert "the evaluation did not finish" in section(card, "Test")
    assert "have not decided" in section(card, "Gates")
    assert "has not been started" in section(card, "In the server")
    assert "![" not in card


def test_a_first_version_has_nothing_to_be_compared_with(facts):
    first = IncumbentComparison(
        incumbent=None, critical_label="malignant", accuracy=None, sensitivity={}, slices=[]
    )
    card = render_release_card(facts.model_copy(update={"incumbent": first}))
    assert "Nothing was in production" in section(card, "Test")


def test_the_summary_of_a_run_names_the_reasons_of_a_refusal(report, refused):
    words = render_summary(report, refused, "weekly-7")
    assert words.startswith("weekly-7")
    assert f"- {REFUSAL}" in words
    assert "| accuracy |" in words


def test_the_summary_before_the_gates_claims_nothing(report):
    assert "The gates have not decided." in render_summary(report, None, "weekly-7")
