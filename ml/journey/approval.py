"""Between gates and promotion: a person approves or refuses, where the parameters ask for one."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ml.contract.bundle import bundle_sha256
from ml.contract.errors import AlreadyDecided, NotFound, Refusal
from ml.journey.evaluate import read_evidence
from ml.journey.gate import read_decision
from ml.journey.run import Run, database_of, write_json
from ml.journey.workspace import Workspace
from ml.registry.results import RegisteredVersion

log = logging.getLogger(__name__)


class ApprovalRequest(BaseModel):
    """Whether a person is asked, why, and with what before them; `body` is Markdown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    needed: bool
    why: str
    subject: str
    body: str


class Approval(BaseModel):
    """What a person answered about one bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approved: bool
    by: str
    reason: str
    at: AwareDatetime
    bundle_sha256: str


def request_approval(workspace: Workspace, run_key: str) -> ApprovalRequest:
    """What a person is asked about a run that the gates have decided on.

    Raises:
        NotFound: the gates have not decided.
    """
    from ml.evaluation.decision_page import render_decision
    from ml.evaluation.release_card import render_summary

    run = Run.open(workspace, run_key)
    decision = read_decision(run)
    if decision is None:
        raise NotFound(f"The gates have not decided on {run_key}.", remedy="Run the gate.")
    evidence = read_evidence(run)
    why = approval_asked(run)
    lead = (
        f"Run `{run_key}`, trained because: {run.info.reason}. Dataset `{run.info.dataset_id}`. "
        f"Asked because {why or 'nobody has to be'}."
    )
    body = [render_summary(evidence.report if evidence else None, decision, lead)]
    body.append(render_decision(decision).replace("# Gates", "## Gates"))
    if run.info.mlflow_url:
        body.append(f"[All figures, the model card and the dataset card]({run.info.mlflow_url})")
    return ApprovalRequest(
        needed=decision.promote and bool(why),
        why=why,
        subject=f"Put the model of {run_key} into production?",
        body="\n\n".join(body),
    )


def record_approval(
    workspace: Workspace,
    run_key: str,
    version: RegisteredVersion,
    *,
    approved: bool,
    by: str,
    reason: str,
) -> Approval:
    """Write down what a person answered, here and in the ledger; the same answer only once.

    Raises:
        AlreadyDecided: a refusal of what is in production by now; nothing was written.
        Refusal: whoever started the run approves it where a second person must; nothing was
            written.
    """
    from ml.store.exclusive import exclusive

    run = Run.open(workspace, run_key)
    if approved and run.params.gates.second_person and _person(by) == _person(run.info.started_by):
        raise Refusal(
            "Whoever started a run does not approve it.",
            reasons=[f"{by} started {run_key}"],
            remedy="Have a second person answer, or set gates.second_person = false.",
        )
    with exclusive(database_of(workspace), "production"):
        return _answer(workspace, run, version, approved=approved, by=by, reason=reason)


def record_silence(
    workspace: Workspace, run_key: str, version: RegisteredVersion, *, by: str
) -> Approval:
    """Nobody answered in time where they were asked: a refusal, unless a person answered elsewhere.

    Args:
        by: what stands in the ledger instead of a name.
    """
    from ml.store.exclusive import exclusive

    run = Run.open(workspace, run_key)
    with exclusive(database_of(workspace), "production"):
        return read_approval(run) or _answer(
            workspace, run, version, approved=False, by=by, reason=""
        )


def _answer(
    workspace: Workspace,
    run: Run,
    version: RegisteredVersion,
    *,
    approved: bool,
    by: str,
    reason: str,
) -> Approval:
    from ml.journey.promote import in_production
    from ml.store import ledger

    earlier = read_approval(run)
    if earlier and (earlier.approved, earlier.by) == (approved, by):
        return earlier
    if not approved and in_production(workspace) == version.version:
        raise AlreadyDecided(
            f"Version {version.version} is in production already.",
            reasons=[f"{earlier.by} approved it" if earlier else "it was promoted"],
            remedy="Roll back if it must not stay there.",
        )
    answer = Approval(
        approved=approved,
        by=by,
        reason=reason,
        at=datetime.now(UTC),
        bundle_sha256=bundle_sha256(run.bundle),
    )
    ledger.append(
        database_of(workspace),
        actor=by,
        action="approve" if approved else "refuse",
        subject=f"{version.name}/{version.version}",
        reason=reason,
        evidence={
            "run_key": run.info.run_key,
            "bundle_sha256": answer.bundle_sha256,
            "asked_because": approval_asked(run),
        },
    )
    write_json(_file(run), answer.model_dump(mode="json"))
    log.info("%s by %s: %s", "Approved" if approved else "Refused", by, reason or "no reason given")
    return answer


def require_approval(run: Run) -> None:
    """Whether this very bundle may go on to promotion.

    Raises:
        Refusal: a person must approve it and has not, or refused it, asked or not.
    """
    why, answer = approval_asked(run), read_approval(run)
    if answer is None:
        if not why:
            return
        raise Refusal(
            "The model waits for approval.",
            reasons=[f"a person must approve it: {why}"],
            remedy="Answer on the model board, under Required Actions, or with `vigie approve`.",
        )
    if not answer.approved:
        raise Refusal(
            "The model was refused by a person.",
            reasons=[f"{answer.by}: {answer.reason or 'no reason given'}"],
            remedy="Train anew, or have it approved.",
        )


def read_approval(run: Run) -> Approval | None:
    """The answer about the bundle as it lies there; one about another bundle is none."""
    path = _file(run)
    if not path.is_file():
        return None
    answer = Approval.model_validate_json(path.read_bytes())
    return answer if answer.bundle_sha256 == bundle_sha256(run.bundle) else None


def approval_asked(run: Run) -> str:
    """Why a person must approve; empty where nobody must."""
    asked = run.params.gates.approval
    if asked == "never":
        return ""
    if asked == "always":
        return "every model is approved by a person"
    evidence = read_evidence(run)
    label = run.params.data.critical_label
    if evidence is None or evidence.incumbent.incumbent is None:
        return "there is no incumbent to compare with"
    difference = evidence.incumbent.sensitivity.get(label)
    if difference is None:
        return f"nothing is known of the {label} sensitivity beside the incumbent's"
    if difference.wins == difference.losses == 0:
        return ""
    return (
        f"{label} images are answered otherwise than by version {evidence.incumbent.incumbent}: "
        f"sensitivity {difference.estimate:+.3f} on {difference.n} images"
    )


def _person(name: str) -> str:
    return name.removeprefix("airflow:")


def _file(run: Run) -> Path:
    return run.folder / "approval.json"
