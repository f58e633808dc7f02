"""Moving `production`: promotion and rollback, each a compare-and-set with a ledger line.

The ledger line is written first and is the decision; the alias follows it. A crash in between
leaves an alias that is one step behind, and repeating the stage moves it: `production` never
names a version that the ledger does not. What enters or leaves production is no longer tried
beside it: a version that was rolled back must not go on answering as a canary.

MLflow moves an alias without looking at where it was, so whoever compares holds a lock of the
database, over all machines, until the alias is set.
"""

from collections.abc import Callable

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
from ml.store.exclusive import exclusive


def promote(
    tracker: Tracker,
    database: Engine,
    version: RegisteredVersion,
    *,
    incumbent: str | None,
    actor: str,
    reason: str,
    evidence: dict[str, object],
    confirm: Callable[[], None] = lambda: None,
) -> Promotion:
    """Make `version` production.

    Args:
        incumbent: the version number that the gates compared against, None for none.
        confirm: raises where the version may not go on; asked while nobody else can decide.

    Raises:
        PromotionConflict: `production` has moved since the gates decided, or is not where the
            ledger says.
        Unavailable: the registry does not answer; nothing was changed.
    """
    with exclusive(database, "production"):
        current = version_by_alias(tracker, PRODUCTION)
        if current and current.version == version.version:
            return _promotion(version, incumbent)
        if (current.version if current else None) != incumbent:
            raise PromotionConflict(
                f"Production is version {_number(current)}, but the gates compared with "
                f"{incumbent or 'none'}.",
                reasons=["another promotion or rollback came first"],
                remedy="Evaluate this challenger again, against the new incumbent.",
            )
        _check_ledger(database, current, version)
        confirm()
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


def rollback(
    tracker: Tracker, database: Engine, *, expected: str | None, actor: str, reason: str
) -> Promotion:
    """Swap `previous` and `production`.

    Args:
        expected: the version that is to leave production, as whoever decided saw it; None for
            none. Without it, the second of two who roll back would put the bad version back.

    Raises:
        NotFound: there is no previous version to go back to.
        PromotionConflict: production is another version by now.
        Unavailable: the registry does not answer.
    """
    with exclusive(database, "production"):
        current = version_by_alias(tracker, PRODUCTION)
        previous = version_by_alias(tracker, PREVIOUS)
        if (current.version if current else None) != expected:
            raise PromotionConflict(
                f"Production is version {_number(current)}, no longer {expected or 'none'}.",
                reasons=["another promotion or rollback came first"],
                remedy="Look at what is in production now, and decide again.",
            )
        if current is None or previous is None or previous.version == current.version:
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


def _check_ledger(
    database: Engine, current: RegisteredVersion | None, version: RegisteredVersion
) -> None:
    """The alias must be where the ledger's newest decision put it, unless that one is repeated."""
    decisions = ledger.newest(database, 1, ("promote", "rollback"))
    decided = decisions[0].subject.rpartition("/")[2] if decisions else None
    known = {current.version if current else None, version.version, None}
    if decided not in known:
        raise PromotionConflict(
            f"The ledger put version {decided} into production, but production is version "
            f"{_number(current)}.",
            reasons=[
                f"the {decisions[0].action} by {decisions[0].actor} was interrupted, or somebody "
                "moved the alias by hand"
            ],
            remedy=f"Repeat that {decisions[0].action}, or roll back; then promote.",
        )


def _number(version: RegisteredVersion | None) -> str:
    return version.version if version else "none"


def _promotion(version: RegisteredVersion, replaced: str | None) -> Promotion:
    return Promotion(
        name=version.name,
        version=version.version,
        replaced=replaced,
        bundle_sha256=version.bundle_sha256,
    )
