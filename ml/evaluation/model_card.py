"""The model card sealed into a bundle: how it was built and what validation says, before any test.

After Mitchell et al. 2019, "Model Cards for Model Reporting". Test results and gates come later
and stand in the evaluation folder and the registry: a bundle never changes.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from ml.contract.bundle import InputSpec, QuantizationSpec
from ml.contract.decision import DecisionPolicy
from ml.evaluation.evaluation_page import report_sections
from ml.evaluation.markdown import table
from ml.evaluation.results import EvaluationReport


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MemberFacts(_Fact):
    """One member of the vote. `flip_rate` is of its int8 form on validation images, even where
    it is served in fp32."""

    name: str
    architecture: str
    weight: float
    precision: str
    flip_rate: float
    epochs: int
    validation_accuracy: float
    validation_macro_f1: float


class CardFacts(_Fact):
    """What a card tells.

    `per_split` is split → label → images; `per_site` and `per_scanner` count images of the whole
    dataset. `trained_because` is the reason that started the run. `validation` measures the
    ensemble on the validation split, where its weights and thresholds were fitted.
    """

    name: str
    run_key: str
    created_at: datetime
    git_commit: str
    trained_because: str
    warm_started_from: str | None = None
    labels: list[str]
    dataset_id: str
    images: int
    groups: int
    per_split: dict[str, dict[str, int]]
    per_site: dict[str, int]
    per_scanner: dict[str, int]
    members: list[MemberFacts]
    initialisation: str
    input: InputSpec
    temperature: float
    policy: DecisionPolicy
    quantization: QuantizationSpec
    validation: EvaluationReport | None


def render_card(facts: CardFacts) -> str:
    """The card as Markdown."""
    parts = [
        f"# Model card: {facts.name}, run {facts.run_key}",
        "**Not for clinical use.** This model was not assessed as a medical device.",
        *_use(facts),
        *_data(facts),
        *_building(facts),
        *_decision(facts),
        *_validation(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _use(facts: CardFacts) -> list[str]:
    return [
        "## Intended use",
        f"Sorts single images into {', '.join(facts.labels)} to study how a classifier is kept "
        "trained, proven, served and watched. Every answer carries calibrated probabilities and "
        "is either reported or referred to a person.",
        "## Out of scope",
        "Diagnosis, screening or triage of patients; images of other organs, modalities or "
        "devices than those below; use without a person who can overrule the answer.",
    ]


def _data(facts: CardFacts) -> list[str]:
    return [
        "## Data",
        f"Dataset `{facts.dataset_id}`: {facts.images} images in {facts.groups} groups (one "
        "patient, or look-alike images). No group stands in two splits.",
        table(
            ("split", *facts.labels, "all"),
            [
                (split, *(counts.get(label, 0) for label in facts.labels), sum(counts.values()))
                for split, counts in facts.per_split.items()
            ],
        ),
        _origin("site", facts.per_site),
        _origin("scanner", facts.per_scanner),
    ]


def _origin(dimension: str, counts: Mapping[str, int]) -> str:
    if not counts:
        return f"The images carry no {dimension}."
    return table((dimension, "images"), Counter(counts).most_common())


def _building(facts: CardFacts) -> list[str]:
    settings = facts.quantization
    origin = (
        f"continued from version {facts.warm_started_from}"
        if facts.warm_started_from
        else f"started from {facts.initialisation} weights"
    )
    return [
        "## How it was built",
        f"Run `{facts.run_key}` at commit `{facts.git_commit}`, sealed "
        f"{facts.created_at:%Y-%m-%d %H:%M %Z}. Trained because: {facts.trained_because}. "
        f"Members {origin}. Input {facts.input.height}×{facts.input.width}, "
        f"{facts.input.channels} channel(s).",
        table(
            (
                "member",
                "architecture",
                "vote",
                "precision",
                "int8 flips",
                "epochs",
                "validation accuracy",
                "validation macro F1",
            ),
            [
                (
                    member.name,
                    member.architecture,
                    f"{member.weight:.2f}",
                    member.precision,
                    f"{member.flip_rate:.2%}",
                    member.epochs,
                    f"{member.validation_accuracy:.3f}",
                    f"{member.validation_macro_f1:.3f}",
                )
                for member in facts.members
            ],
        ),
        f"Int8 by {settings.calibration_method} calibration on {settings.calibration_images} "
        f"images, {'per channel' if settings.per_channel else 'per tensor'}"
        f"{', reduced range' if settings.reduce_range else ''}, on {settings.cpu_model}.",
    ]


def _decision(facts: CardFacts) -> list[str]:
    policy = facts.policy
    rows = [
        ("temperature", f"{facts.temperature:.3f}"),
        (
            f"{policy.critical_label} is answered from probability",
            f"{policy.critical_threshold:.3f}",
        ),
        ("referred below own probability", f"{policy.refer_below:.3f}"),
        (
            f"referred within this of the {policy.critical_label} threshold",
            f"{policy.refer_margin:.3f}",
        ),
        ("referred beyond embedding distance", f"{policy.outlier_distance:.2f}"),
        *(
            (f"referred outside {name.replace('_', ' ')}", f"{low:.3g} to {high:.3g}")
            for name, (low, high) in policy.quality_bounds.items()
        ),
    ]
    return ["## From probabilities to an answer", table(("rule", "value"), rows)]


def _validation(facts: CardFacts) -> list[str]:
    if facts.validation is None:
        return ["## Validation", "Not measured."]
    first, *rest = report_sections(facts.validation)
    return [
        "## Validation",
        "Weights, temperature and thresholds were fitted on these images, so the numbers flatter; "
        "the test evaluation, made after sealing, is what gates read. " + first,
        *("#" + part if part.startswith("## ") else part for part in rest),
    ]
