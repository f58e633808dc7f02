"""Moving `production`: promotion and rollback, each a compare-and-set with a ledger line.

The ledger line is written first and is the decision; the alias follows it. A crash in between
leaves an alias that is one step behind, and repeating the stage moves it: `production` never
names a version that the ledger does not. What enters or leaves production is no longer tried
beside it: a version that was rolled back must not go on answering as a canary.
"""

from sqlalchemy import Engine

from ml.contract.errors import NotFound, PromotionConflict
from ml.registry.models import (
    CHALLENGER,
    PREVIOUS,
    PRODUCTION,
    point_alias,
    version_by_alias,
)
from ml.registry.results import Promotion, RegisteredVersion
from ml.registry.tracking import Tracker
from ml.registry.trial import end_trials_of
from ml.store import ledger


def promote(
    tracker: Tracker,
    database: Engine,
    version: RegisteredVersion,
    *,
    incumbent: str | None,
    actor: str,
    reason: str,
    evidence: dict[str, object],
) -> Promotion:
    """Make `version` production.

    Args:
        incumbent: the version number that the gates compared against, None for none.

    Raises:
        PromotionConflict: `production` has moved since the gates decided.
        Unavailable: the registry does not answer; nothing was changed.
    """
    current = version_by_alias(tracker, PRODUCTION)
    if current and current.version == version.version:
        return _promotion(version, incumbent)
    if (current.version if current else None) != incumbent:
        raise PromotionConflict(
            f"Production is version {current.version if current else 'none'}, but the gates "
            f"compared with {incumbent or 'none'}.",
            reasons=["another promotion or rollback came first"],
            remedy="Evaluate this challenger again, against the new incumbent.",
        )
    ledger.append(
        database,
        actor=actor,
        action="promote",
        subject=f"{version.name}/{version.version}",
        reason=reason,
        evidence={
            "bundle_sha256": version.bundle_sha256,
            "dataset_id": version.dataset_id,
            "run_key": version.run_key,
            "replaced": incumbent,
            **evidence,
        },
    )
    end_trials_of(tracker, version)
    if current:
        point_alias(tracker, PREVIOUS, current.version)
    point_alias(tracker, PRODUCTION, version.version)
    return _promotion(version, incumbent)


def rollback(tracker: Tracker, database: Engine, *, actor: str, reason: str) -> Promotion:
    """Swap `previous` and `production`.

    Raises:
        NotFound: there is no previous version to go back to.
        Unavailable: the registry does not answer.
    """
    current = version_by_alias(tracker, PRODUCTION)
    previous = version_by_alias(tracker, PREVIOUS)
    if current is None or previous is None:
        raise NotFound(
            "There is no previous version to roll back to.",
            remedy="A rollback is possible after the second promotion.",
        )
    ledger.append(
        database,
        actor=actor,
        action="rollback",
        subject=f"{previous.name}/{previous.version}",
        reason=reason,
        evidence={"bundle_sha256": previous.bundle_sha256, "replaced": current.version},
    )
    end_trials_of(tracker, current)
    end_trials_of(tracker, previous)
    point_alias(tracker, PRODUCTION, previous.version)
    point_alias(tracker, PREVIOUS, current.version)
    return _promotion(previous, current.version)


def challenge(tracker: Tracker, version: RegisteredVersion) -> None:
    """Make `version` the challenger."""
    point_alias(tracker, CHALLENGER, version.version)


def _promotion(version: RegisteredVersion, replaced: str | None) -> Promotion:
    return Promotion(
        name=version.name,
        version=version.version,
        replaced=replaced,
        bundle_sha256=version.bundle_sha256,
    )
