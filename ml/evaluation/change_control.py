"""What a change of the model was, how it was judged and what it means: the evidence of one version.

The three parts are those of a predetermined change control plan (FDA, Marketing Submission
Recommendations for a Predetermined Change Control Plan for AI-Enabled Device Software Functions,
2025): description of modifications, modification protocol, impact assessment.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from ml.evaluation.decision_page import decision_sections
from ml.evaluation.gate_results import GateDecision
from ml.evaluation.markdown import deeper, table


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Act(_Fact):
    """One line of the ledger about the version."""

    sequence: int
    at: datetime
    actor: str
    action: str
    reason: str


class VersionFacts(_Fact):
    """What a version was made of. `params` is dotted name → value."""

    version: str
    bundle_sha256: str
    dataset_id: str
    images: int
    groups: int
    git_commit: str
    reason: str
    params: Mapping[str, str]


class ChangeFacts(_Fact):
    """`before` is the version that it was compared with, None for the first one."""

    made_at: datetime
    after: VersionFacts
    before: VersionFacts | None
    protocol: Mapping[str, str]
    decision: GateDecision | None
    acts: Sequence[Act]


def render_change(facts: ChangeFacts) -> str:
    """The evidence as Markdown."""
    after = facts.after
    parts = [
        f"# Change control: version {after.version}",
        "> Evidence for a change control plan, written by the pipeline. It is no approval by a "
        "regulator and makes no medical device.",
        "## 1. Description of modifications",
        *_modifications(facts),
        "## 2. Modification protocol",
        "The bounds were fixed in reviewed parameters before this version was measured. Floors are "
        "met by one-sided lower confidence bounds on patients that no training saw; a missing "
        "measurement refuses.",
        table(("parameter", "value"), list(facts.protocol.items())),
        "A version that passes is put in production by moving one alias; the version before is "
        "`previous`, and `vigie rollback` puts it back. Each step is a line of the ledger.",
        "## 3. Impact assessment",
        *_impact(facts.decision),
        "## Who decided",
        table(
            ("line", "when (UTC)", "who", "what", "why"),
            [
                (act.sequence, f"{act.at:%Y-%m-%d %H:%M:%S}", act.actor, act.action, act.reason)
                for act in facts.acts
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _modifications(facts: ChangeFacts) -> list[str]:
    after, before = facts.after, facts.before
    rows = [
        ("version", before.version if before else "none", after.version),
        (
            "bundle (sha256)",
            _short(before.bundle_sha256 if before else None),
            _short(after.bundle_sha256),
        ),
        ("dataset", before.dataset_id if before else "none", after.dataset_id),
        ("images", before.images if before else "none", after.images),
        ("independent groups", before.groups if before else "none", after.groups),
        ("code (commit)", _short(before.git_commit if before else None), _short(after.git_commit)),
    ]
    changed = _changed(before.params if before else {}, after.params)
    return [
        f"Trained because: {after.reason}.",
        table(("", "before", "after"), rows),
        *(
            ["Parameters that differ:", table(("parameter", "before", "after"), changed)]
            if before and changed
            else ["No parameter differs." if before else "It is the first version."]
        ),
    ]


def _impact(decision: GateDecision | None) -> list[str]:
    if decision is None:
        return ["The gates have not decided on this version."]
    return deeper(decision_sections(decision))


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = sorted({*before, *after})
    return [
        (name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _short(digest: str | None) -> str:
    return f"`{digest[:16]}`" if digest else "none"
