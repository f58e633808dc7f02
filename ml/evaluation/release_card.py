"""The model card of a registered version: the sealed card, and all that came to be known later.

After Mitchell et al. 2019, "Model Cards for Model Reporting". The sealed card ends where testing
begins, because a bundle never changes; this one adds the test, the gates and how to repeat it.
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from ml.evaluation.bounds import difference_lower
from ml.evaluation.decision_page import decision_sections
from ml.evaluation.gate_results import GateDecision, IncumbentComparison, ParityEvidence
from ml.evaluation.markdown import deeper, table
from ml.evaluation.model_card import (
    CardFacts,
    building_sections,
    data_sections,
    policy_sections,
    use_sections,
)
from ml.evaluation.report_sections import headline_table, learning_curves, report_sections
from ml.evaluation.results import EvaluationReport

_WIDE = 0.05
_CONFIDENCE = 0.95
_NOT_TESTED = "Not measured: the evaluation did not finish."


class ReleaseFacts(BaseModel):
    """What the card of a version tells; None where a stage left nothing.

    `training` is parameter → value. `leak` is finding → count. `serving` is what the real server
    did with the bundle, measure → value with its unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    bundle_sha256: str
    sealed: CardFacts
    profile: str
    params_sha256: str
    lock_sha256: str
    training: Mapping[str, str]
    leak: Mapping[str, int]
    test: EvaluationReport | None
    parity: ParityEvidence | None
    incumbent: IncumbentComparison | None
    serving: Mapping[str, str]
    decision: GateDecision | None


def render_release_card(facts: ReleaseFacts) -> str:
    """The card as Markdown; it names the figures of the evaluation's folder."""
    parts = [
        f"# Model card: {facts.sealed.name} version {facts.version}",
        "> **Not for clinical use.** This model was not assessed as a medical device.",
        *_summary(facts),
        *use_sections(facts.sealed),
        *data_sections(facts.sealed),
        *_leak(facts),
        *building_sections(facts.sealed),
        *_training(facts),
        *policy_sections(facts.sealed),
        *_test(facts),
        *_serving(facts),
        *_gates(facts.decision),
        *_validation(facts),
        *_limits(facts),
        *_repeat(facts),
    ]
    return "\n\n".join(parts) + "\n"


def render_summary(test: EvaluationReport | None, decision: GateDecision | None, lead: str) -> str:
    """The same in a few lines, for the pages of a run and of a version.

    Args:
        lead: the first line: what it is about.
    """
    verdict = (
        "The gates have not decided."
        if decision is None
        else "**No gate refuses.**"
        if decision.promote
        else "**Refused:**\n\n" + "\n".join(f"- {reason}" for reason in decision.reasons)
    )
    measured = headline_table(test) if test else _NOT_TESTED
    return "\n\n".join([lead, measured, verdict])


def _summary(facts: ReleaseFacts) -> list[str]:
    sealed = facts.sealed
    lead = (
        f"Bundle `{facts.bundle_sha256[:12]}`, sealed {sealed.created_at:%Y-%m-%d %H:%M %Z}; "
        "measured on test images on which nothing was fitted."
    )
    return ["## Summary", render_summary(facts.test, facts.decision, lead)]


def _leak(facts: ReleaseFacts) -> list[str]:
    return [
        "### Leak audit",
        table(("finding", "count"), facts.leak.items()),
        "The whole dataset card lies beside this card.",
    ]


def _training(facts: ReleaseFacts) -> list[str]:
    return [
        "### Training parameters",
        f"Profile `{facts.profile}`.",
        table(("parameter", "value"), facts.training.items()),
        *([learning_curves()] if facts.test else []),
    ]


def _test(facts: ReleaseFacts) -> list[str]:
    if facts.test is None:
        return ["## Test", _NOT_TESTED]
    return [
        "## Test",
        *deeper(report_sections(facts.test, figures=True)),
        *_parity(facts.parity),
        *_incumbent(facts.incumbent),
    ]


def _parity(parity: ParityEvidence | None) -> list[str]:
    if parity is None:
        return []
    return [
        "### Served file against the float ensemble",
        f"On {parity.n} test images {parity.flip_rate:.2%} of the labels differ; the critical "
        f"sensitivity falls by {parity.critical_sensitivity_loss:.3f}.",
    ]


def _incumbent(comparison: IncumbentComparison | None) -> list[str]:
    if comparison is None or comparison.incumbent is None:
        return ["### Against production", "Nothing was in production to compare with."]
    differences = {
        "accuracy": comparison.accuracy,
        **{f"{label} sensitivity": value for label, value in comparison.sensitivity.items()},
        **{f"accuracy, {part.dimension.replace('_', ' ')} {part.value}": part.accuracy
           for part in comparison.slices},
    }  # fmt: skip
    return [
        "### Against production",
        f"This model minus version {comparison.incumbent}, paired on the same images.",
        table(
            ("difference in", "estimate", f"{_CONFIDENCE:.0%} lower bound", "images", "groups"),
            [
                (
                    name,
                    f"{value.estimate:+.3f}",
                    f"{difference_lower(value, _CONFIDENCE):+.3f}",
                    value.n,
                    value.groups,
                )
                for name, value in differences.items()
                if value is not None
            ],
        ),
    ]


def _gates(decision: GateDecision | None) -> list[str]:
    if decision is None:
        return ["## Gates", "The gates have not decided on this run, so it cannot be promoted."]
    return ["## Gates", *deeper(decision_sections(decision))]


def _serving(facts: ReleaseFacts) -> list[str]:
    if not facts.serving:
        return ["## In the server", "Not measured: the bundle has not been started in the server."]
    return ["## In the server", table(("measure", "value"), facts.serving.items())]


def _validation(facts: ReleaseFacts) -> list[str]:
    if facts.sealed.validation is None:
        return []
    return [
        "## On validation images",
        "Weights, temperature and thresholds were fitted on these, so the numbers flatter.",
        headline_table(facts.sealed.validation),
    ]


def _limits(facts: ReleaseFacts) -> list[str]:
    return ["## Limits", "\n".join(f"- {limit}" for limit in _limits_of(facts))]


def _limits_of(facts: ReleaseFacts) -> list[str]:
    sealed, test = facts.sealed, facts.test
    limits = [
        "The answer is about one image, not about a patient; it is one of "
        f"{', '.join(sealed.labels)} even for an image that shows something else.",
        "Activation maps show where the score came from. They do not outline a finding.",
    ]
    for dimension, counts in (("site", sealed.per_site), ("scanner", sealed.per_scanner)):
        if len(counts) < 2:
            limits.append(
                f"All images come from one {dimension}, or it is unknown: how the model does at "
                "another was not measured."
            )
    small = [part for part in test.slices if part.state != "ok"] if test else []
    if small:
        named = ", ".join(f"{part.dimension} {part.value} ({part.n})" for part in small)
        limits.append(f"Too few test images to judge: {named}.")
    if test and test.calibration_error.upper > _WIDE:
        limits.append(
            f"Probabilities may be off by {test.calibration_error.upper:.2f} on average (upper "
            "bound of the calibration error)."
        )
    if any(member.precision == "int8" for member in sealed.members):
        limits.append(
            f"Int8 was calibrated on {sealed.quantization.cpu_model}; a server on another kind of "
            "CPU refuses the model if it does not give the golden answers there."
        )
    return limits


def _repeat(facts: ReleaseFacts) -> list[str]:
    sealed = facts.sealed
    return [
        "## To repeat it",
        f"`vigie reproduce {facts.version}` trains it again and compares. Run `{sealed.run_key}`: "
        f"dataset `{sealed.dataset_id}`, code `{sealed.git_commit}`, parameters "
        f"`{facts.params_sha256[:12]}`, locked libraries `{facts.lock_sha256[:12]}`, bundle "
        f"`{facts.bundle_sha256}`.",
    ]
