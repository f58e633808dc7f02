"""The model card sealed into a bundle: how it was built and what validation says, before any test.

After Mitchell et al. 2019, "Model Cards for Model Reporting". Test results and gates come later
and stand in the evaluation folder and the registry: a bundle never changes.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from ml.contract.bundle import AdaptiveVote, InputSpec, QuantizationSpec
from ml.contract.decision import DecisionPolicy
from ml.evaluation.markdown import deeper, table
from ml.evaluation.report_sections import report_sections
from ml.evaluation.results import EvaluationReport


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MemberFacts(_Fact):
    """One member of the vote. `flip_rate` is of its int8 form on validation images, even where
    it is served in fp32. `initial_weights_sha256` is of the file it started from, None where
    there was none; `weights_sha256` is the digest of what it learnt.
    """

    name: str
    architecture: str
    weight: float
    precision: str
    flip_rate: float
    epochs: int
    validation_accuracy: float
    validation_macro_f1: float
    initialisation: str
    initial_weights_sha256: str | None
    weights_sha256: str


class CardFacts(_Fact):
    """What a card tells.

    `per_split` is split → label → images; `per_site` and `per_scanner` count images of the whole
    dataset. `trained_because` is the reason that started the run, `trigger` its
    kind and `report_ids` the monitoring reports behind it. `validation` measures the
    ensemble on the validation split, where its weights and thresholds were fitted.
    """

    name: str
    run_key: str
    created_at: datetime
    git_commit: str
    trained_because: str
    trigger: str = "manual"
    report_ids: list[str] = []
    warm_started_from: str | None = None
    labels: list[str]
    dataset_id: str
    images: int
    groups: int
    per_split: dict[str, dict[str, int]]
    per_site: dict[str, int]
    per_scanner: dict[str, int]
    members: list[MemberFacts]
    input: InputSpec
    temperature: float
    adaptive: AdaptiveVote | None = None
    policy: DecisionPolicy
    quantization: QuantizationSpec
    validation: EvaluationReport | None


def render_card(facts: CardFacts) -> str:
    """The card as Markdown."""
    parts = [
        f"# Model card: {facts.name}, run {facts.run_key}",
        "**Not for clinical use.** This model was not assessed as a medical device.",
        *use_sections(facts),
        *data_sections(facts),
        *building_sections(facts),
        *policy_sections(facts),
        *_validation(facts),
    ]
    return "\n\n".join(parts) + "\n"


def use_sections(facts: CardFacts) -> list[str]:
    """What the model is for and what it is not for."""
    return [
        "## Intended use",
        f"Sorts single images into {', '.join(facts.labels)} to study how a classifier is kept "
        "trained, proven, served and watched. Every answer carries calibrated probabilities and "
        "is either reported or referred to a person.",
        "## Out of scope",
        "Diagnosis, screening or triage of patients; images of other organs, modalities or "
        "devices than those below; use without a person who can overrule the answer.",
    ]


def data_sections(facts: CardFacts) -> list[str]:
    """Splits and origins of the images."""
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


def building_sections(facts: CardFacts) -> list[str]:
    """Members, their start and their precision."""
    settings = facts.quantization
    reports = f" (reports {', '.join(facts.report_ids)})" if facts.report_ids else ""
    warm = f" Continued from version {facts.warm_started_from}." if facts.warm_started_from else ""
    return [
        "## How it was built",
        f"Run `{facts.run_key}` at commit `{facts.git_commit}`, sealed "
        f"{facts.created_at:%Y-%m-%d %H:%M %Z}. Trained because ({facts.trigger}): "
        f"{facts.trained_because}{reports}. "
        f"Input {facts.input.height}×{facts.input.width}, {facts.input.channels} "
        f"channel(s).{warm}",
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
        table(
            ("member", "started from", "weights kept"),
            [
                (member.name, _start(member), f"`{member.weights_sha256[:12]}`")
                for member in facts.members
            ],
        ),
        f"Int8 setting: {settings.calibration_method}. Calibrated on "
        f"{settings.calibration_images} images, "
        f"{'per channel' if settings.per_channel else 'per tensor'}"
        f"{', reduced range' if settings.reduce_range else ''}, on {settings.cpu_model}.",
    ]


def _start(member: MemberFacts) -> str:
    digest = member.initial_weights_sha256
    return f"{member.initialisation} weights" + (f", file `{digest[:12]}`" if digest else "")


def policy_sections(facts: CardFacts) -> list[str]:
    """The rule that makes an answer of probabilities."""
    policy, adaptive = facts.policy, facts.adaptive
    rows: list[tuple[str, object]] = [
        ("temperature", f"{facts.temperature:.3f}"),
        *(
            [
                (
                    f"{adaptive.first} answers alone",
                    f"up to {policy.critical_label} {adaptive.critical_ceiling:.2g} and from "
                    f"{adaptive.confidence:.3f} for another label: {adaptive.stopped:.0%} of the "
                    "validation images",
                )
            ]
            if adaptive
            else []
        ),
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
        *_set_rows(facts),
    ]
    return ["## From probabilities to an answer", table(("rule", "value"), rows)]


def _set_rows(facts: CardFacts) -> list[tuple[str, object]]:
    policy = facts.policy
    if policy.conformal_error is None:
        return []
    quantiles = policy.conformal_quantiles
    return [
        ("prediction sets miss the true label at most at rate", f"{policy.conformal_error:g}"),
        *(
            (
                f"a set holds {label} from probability",
                f"{1 - quantiles[label]:.3f}"
                if label in quantiles
                else "0: too few validation images",
            )
            for label in facts.labels
        ),
        (
            "a set without exactly one label",
            "is referred" if policy.refer_unless_single else "is told with the answer",
        ),
    ]


def _validation(facts: CardFacts) -> list[str]:
    if facts.validation is None:
        return ["## Validation", "Not measured."]
    first, *rest = report_sections(facts.validation)
    return [
        "## Validation",
        "Weights, temperature and thresholds were fitted on these images, so the numbers flatter; "
        "the test evaluation, made after sealing, is what gates read. " + first,
        *deeper(rest),
    ]
