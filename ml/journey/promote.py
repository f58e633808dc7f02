"""Stage 10: register the version as challenger, then promote it, or roll production back."""

import logging
from functools import partial

from ml.contract.errors import Refusal
from ml.evaluation.gate_results import GateDecision
from ml.journey.approval import require_approval
from ml.journey.gate import read_decision
from ml.journey.release_card import publish_card
from ml.journey.run import Run, database_of, tracker_of
from ml.journey.workspace import Workspace
from ml.registry.results import Promotion, RegisteredVersion

log = logging.getLogger(__name__)


def register(workspace: Workspace, run_key: str) -> RegisteredVersion:
    """Register a run's bundle under the alias `challenger`, with its gate decision as tags.

    Raises:
        Refusal: the gates decided on another bundle than the run has now.
    """
    from ml.registry.models import register_bundle, tag_version, version_by_alias
    from ml.registry.promotion import challenge
    from ml.store import ledger

    run = Run.open(workspace, run_key)
    tracker = tracker_of(workspace)
    decision = _decided(run)
    version = register_bundle(tracker, run.info.mlflow_run_id, run.bundle, run_key)
    if decision and decision.bundle_sha256 != version.bundle_sha256:
        raise _of_another_bundle(run_key)  # it was made anew just now
    verdict = "promote" if decision and decision.promote else "refuse"
    tag_version(tracker, version.version, "gate", verdict)
    current = version_by_alias(tracker, "challenger")
    if current is None or current.version != version.version:
        ledger.append(
            database_of(workspace),
            actor="pipeline",
            action="register",
            subject=f"{version.name}/{version.version}",
            reason=run.info.reason,
            evidence={
                "bundle_sha256": version.bundle_sha256,
                "dataset_id": version.dataset_id,
                "run_key": run_key,
                "git_commit": run.info.git_commit,
                "gate": verdict,
                **_cause(run),
            },
        )
        challenge(tracker, version)
    publish_card(workspace, run, version)
    tracker.finish(run.info.mlflow_run_id)
    log.info(
        "Registered %s version %s as challenger. %s", version.name, version.version, version.url
    )
    return version


def promote(workspace: Workspace, run_key: str, *, actor: str, reason: str = "") -> Promotion:
    """Move `production` to a run's version.

    Raises:
        Refusal: the gates refused the model, or never decided on this very bundle; or a person who
            must approve it has not.
        PromotionConflict: production moved since the gates compared.
    """
    from ml.registry.promotion import promote as move

    run = Run.open(workspace, run_key)
    decision = _decided(run)
    if decision is None or not decision.promote:
        raise Refusal(
            "The model was refused." if decision else "The gates have not decided on this run.",
            reasons=decision.reasons if decision else ["no gate decision"],
            remedy="See the gate report; retrain on better data." if decision else "Run the gate.",
        )
    require_approval(run)
    version = register(workspace, run_key)
    if version.bundle_sha256 != decision.bundle_sha256:
        raise _of_another_bundle(run_key)
    promotion = move(
        tracker_of(workspace),
        database_of(workspace),
        version,
        incumbent=run.info.incumbent_version,
        actor=actor,
        reason=reason or run.info.reason,
        evidence={"gates": [result.name for result in decision.results], **_cause(run)},
        # Once more, now that nobody can refuse it any more.
        confirm=partial(require_approval, run),
    )
    log.info(
        "Production is now version %s (was %s).", promotion.version, promotion.replaced or "none"
    )
    return promotion


def _decided(run: Run) -> GateDecision | None:
    """The decision about the run's bundle, None if the gates never decided.

    Raises:
        Refusal: they decided on another bundle.
    """
    decision = read_decision(run)
    if decision is None and run.decision.is_file():
        raise _of_another_bundle(run.info.run_key)
    return decision


def _of_another_bundle(run_key: str) -> Refusal:
    return Refusal(
        f"The gates did not decide on the bundle that run {run_key} has now.",
        reasons=["the bundle was made anew after the gates decided, or they do not say on which"],
        remedy="Evaluate, bless and gate this bundle: `vigie evaluate`, `vigie bless`, "
        f"`vigie gate`, each with `--run {run_key}`.",
    )


def _cause(run: Run) -> dict[str, object]:
    """What started the run, for the ledger."""
    return {"trigger": run.info.trigger, "drift_reports": run.info.report_ids}


def in_production(workspace: Workspace) -> str | None:
    """The version in production, None for none.

    Raises:
        Unavailable: the registry does not answer.
    """
    from ml.registry.models import PRODUCTION, version_by_alias

    version = version_by_alias(tracker_of(workspace), PRODUCTION)
    return version.version if version else None


def rollback(workspace: Workspace, *, expected: str | None, actor: str, reason: str) -> Promotion:
    """Put the previous version back in production, or withdraw a promotion that never reached it.

    Args:
        expected: the version that is to leave, as whoever decided saw it.

    Raises:
        NotFound: there is no previous version.
        PromotionConflict: production is another version by now; nothing was changed.
    """
    from ml.registry.decided import NOTHING
    from ml.registry.promotion import rollback as swap

    promotion = swap(
        tracker_of(workspace),
        database_of(workspace),
        expected=expected,
        actor=actor,
        reason=reason,
    )
    if promotion.version == (expected or NOTHING):
        log.info(
            "Production stays version %s; %s does not take its place.",
            promotion.version,
            promotion.replaced,
        )
    else:
        log.info("Rolled back to version %s from %s.", promotion.version, promotion.replaced)
    return promotion


def aliases(workspace: Workspace) -> dict[str, RegisteredVersion]:
    """The versions that the aliases name, where they name one."""
    from ml.registry.models import (
        CANARY,
        CHALLENGER,
        PREVIOUS,
        PRODUCTION,
        SHADOW,
        version_by_alias,
    )

    tracker = tracker_of(workspace)
    known = (PRODUCTION, CHALLENGER, PREVIOUS, CANARY, SHADOW)
    named = {alias: version_by_alias(tracker, alias) for alias in known}
    return {alias: version for alias, version in named.items() if version}
