"""A gate decision as a report: each gate, its evidence, its bound, its verdict."""

from ml.evaluation.gate_results import GateDecision, GateResult, Sufficiency
from ml.evaluation.markdown import table
from ml.evaluation.verdicts import percent

_MARKS = {"pass": "pass", "refuse": "**refuse**", "insufficient": "**insufficient**"}


def render_decision(decision: GateDecision) -> str:
    """Markdown of one decision."""
    return "\n\n".join(["# Gates", *decision_sections(decision)]) + "\n"


def decision_sections(decision: GateDecision) -> list[str]:
    """The decision as Markdown blocks, without a title."""
    verdict = "**Promote.** No gate refuses." if decision.promote else "**Refuse.**"
    return [
        verdict,
        *([_bullets(decision.reasons)] if decision.reasons else []),
        _wear(decision),
        table(
            ("gate", "verdict", "evidence", "value", "bound", "confidence"),
            [decision_row(result) for result in decision.results],
        ),
        *_sufficiency(decision.sufficiency),
    ]


def decision_row(result: GateResult) -> tuple[str, str, str, str, str, str]:
    """Gate, verdict, evidence, value, bound, confidence."""
    mark = _MARKS[result.verdict]
    return (
        result.name.replace("_", " "),
        mark if result.blocking or result.verdict == "pass" else "insufficient, does not block",
        result.evidence,
        _number(result.value),
        _number(result.bound),
        percent(result.confidence) if result.confidence else "",
    )


def _wear(decision: GateDecision) -> str:
    wear = decision.wear
    if wear is None:
        return "It is not known how often this test split has judged."
    earlier = ", ".join(f"`{run}`" for run in wear.earlier)
    return (
        f"Test split `{wear.test_split[:12]}`, use {wear.use}. Bounds are one-sided and hold at "
        f"{percent(decision.confidence)}: every further use asks for more."
        + (f" It judged before: {earlier}." if earlier else "")
    )


def _sufficiency(parts: list[Sufficiency]) -> list[str]:
    if not parts:
        return []
    return [
        "## Can this test split decide?",
        "A metric that a good model would probably fail is a matter for pooled out-of-fold "
        "predictions of a grouped k-fold, or for more patients.",
        table(
            (
                "metric",
                "independent images it is worth",
                "bound if all were right",
                "floor",
                "chance that a good model passes",
                "needed",
                "verdict",
            ),
            [
                (
                    part.name,
                    f"{part.worth:.0f}",
                    f"{part.perfect_lower:.3f}",
                    f"{part.floor:.2f}",
                    f"{part.power:.0%} at {part.expected:.2f}",
                    "none suffice" if part.needed is None else str(part.needed),
                    "decides" if part.decides else "**too small: needs k-fold**",
                )
                for part in parts
            ],
        ),
    ]


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
