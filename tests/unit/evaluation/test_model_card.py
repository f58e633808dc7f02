from datetime import UTC, datetime

import pytest

from ml.contract.bundle import InputSpec, QuantizationSpec
from ml.evaluation.model_card import CardFacts, MemberFacts, render_card
from tests.unit.evaluation.conftest import LABELS, POLICY


@pytest.fixture
def facts(report):
    return CardFacts(
        name="vigie",
        run_key="run-7",
        created_at=datetime(2026, 11, 20, tzinfo=UTC),
        git_commit="abc1234",
        trained_because="2 of the last 3 windows drifted",
        labels=LABELS,
        dataset_id="d41d8cd9",
        images=2200,
        groups=700,
        per_split={"train": {"normal": 460, "benign": 920, "malignant": 160}},
        per_site={"north": 1500, "south|east": 700},
        per_scanner={},
        members=[
            MemberFacts(
                name="resnet50",
                architecture="resnet50",
                weight=0.6,
                precision="int8",
                flip_rate=0.004,
                epochs=6,
                validation_accuracy=0.95,
                validation_macro_f1=0.93,
                initialisation="file",
                initial_weights_sha256="0123456789abcdef",
                weights_sha256="fedcba9876543210",
            )
        ],
        input=InputSpec(height=80, width=80, channels=1),
        temperature=1.3,
        policy=POLICY.model_copy(update={"quality_bounds": {"mean": (20.0, 200.0)}}),
        quantization=QuantizationSpec(
            calibration_method="minmax",
            calibration_images=48,
            per_channel=True,
            reduce_range=False,
            cpu_model="a CPU",
            cpu_features=["avx2"],
        ),
        validation=report,
    )


def test_the_card_says_what_the_model_must_not_be_used_for(facts):
    assert "Not for clinical use" in render_card(facts).splitlines()[2]


@pytest.mark.parametrize(
    "fact",
    ["d41d8cd9", "abc1234", "2 of the last 3 windows drifted",
     "file weights, file `0123456789ab` | `fedcba987654`",
     "| train | 460 | 920 | 160 | 1540 |", "| resnet50 | resnet50 | 0.60 | int8 | 0.40% | 6 |",
     "The images carry no scanner.", "south\\|east", "20 to 200", "too few images to judge"],
)  # fmt: skip
def test_the_card_tells(fact, facts):
    assert fact in render_card(facts)


def test_a_warm_start_names_its_origin(facts):
    card = render_card(facts.model_copy(update={"warm_started_from": "4"}))
    assert "Continued from version 4" in card


def test_what_started_the_training_is_told_with_its_reports(facts):
    card = render_card(facts.model_copy(update={"trigger": "drift", "report_ids": ["week-1"]}))
    assert "Trained because (drift): 2 of the last 3 windows drifted (reports week-1)." in card


def test_the_card_warns_that_validation_flatters_and_holds_no_gates(facts):
    card = render_card(facts)
    assert "the numbers flatter" in card
    assert "## Gates" not in card


def test_a_card_without_validation_says_so(facts):
    card = render_card(facts.model_copy(update={"validation": None}))
    assert card.rstrip().endswith("Not measured.")


def test_prediction_sets_are_told_per_label(facts):
    policy = facts.policy.model_copy(
        update={"conformal_error": 0.1, "conformal_quantiles": {"normal": 0.4, "benign": 0.25}}
    )
    card = render_card(facts.model_copy(update={"policy": policy}))
    assert "| a set holds benign from probability | 0.750 |" in card
    assert "| a set holds malignant from probability | 0: too few validation images |" in card
