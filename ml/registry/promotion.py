"""Moving `production`: promotion and rollback, each a compare-and-set with a ledger line.

The ledger line is written first and is the decision; the aliases follow it, `production` last, so
that a move is complete when `production` is where its line says. A crash in between leaves a move
that is one step behind. Three ways lead out of that, and after each ledger and aliases agree:
repeating it completes it; a rollback withdraws a promotion that did not reach production; and what
a person refuses meanwhile keeps the next promotion waiting no longer.

What enters or leaves production is no longer tried beside it: a version that was rolled back must
not go on answering as a canary.

MLflow moves an alias without looking at where it was, so whoever compares holds a lock of the
database, over all machines, until the alias is set.
"""

from collections.abc import Callable

from sqlalchemy import Engine

from ml.contract.errors import NotFound, PromotionConflict
from ml.registry.decided import (
    NOTHING,
    Decided,
    is_refused,
    newest_decision,
    previous_beside,
    subject_of,
)
from ml.registry.models import (
    CHALLENGER,
    MODEL_NAME,
    PREVIOUS,
    PRODUCTION,
    point_alias,
    version_by_alias,
    version_by_number,
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
    """Make `version` production, or complete that where it was interrupted.

    Args:
        incumbent: the version number that the gates compared against, None for none.
        confirm: raises where the version may not go on; asked while nobody else can decide.

    Raises:
        PromotionConflict: `production` has moved since the gates decided, or is not where the
            ledger says.
        Unavailable: the registry does not answer; repeat it.
    """
    with exclusive(database, "production"):
        current, decided = _number(version_by_alias(tracker, PRODUCTION)), newest_decision(database)
        if decided and current == decided.target == version.version:
            _restore_previous(tracker, current, decided.previous)
            return _promotion(version, decided.replaced)
        by_hand = current == version.version
        if by_hand:
            _check_moved_by_hand(decided, version, incumbent)
        else:
            _check_production(database, decided, current, version, incumbent)
        confirm()
        if decided is None or not _is_repeated(decided, version, incumbent):
            ledger.append(
                database,
                actor=actor,
                action="promote",
                subject=subject_of(version.version),
                reason=reason,
                evidence={
                    "bundle_sha256": version.bundle_sha256,
                    "dataset_id": version.dataset_id,
                    "run_key": version.run_key,
                    "replaced": incumbent,
                    **({"found_in_production": True} if by_hand else {}),
                    **evidence,
                },
            )
        end_trials_of(tracker, version)
        if incumbent:
            point_alias(tracker, PREVIOUS, incumbent)
        if not by_hand:
            point_alias(tracker, PRODUCTION, version.version)
        return _promotion(version, incumbent)


def rollback(
    tracker: Tracker, database: Engine, *, expected: str | None, actor: str, reason: str
) -> Promotion:
    """Swap `previous` and `production`, or complete that where it was interrupted.

    A promotion that did not reach production is withdrawn instead: what is in production is what
    was good before it, and stays.

    Args:
        expected: the version that is to leave production, as whoever decided saw it; None for
            none. Without it, the second of two who roll back would put the bad version back.

    Raises:
        NotFound: there is no previous version to go back to.
        PromotionConflict: production is another version by now.
        Unavailable: the registry does not answer; repeat it.
    """
    with exclusive(database, "production"):
        current = version_by_alias(tracker, PRODUCTION)
        previous = version_by_alias(tracker, PREVIOUS)
        decided = newest_decision(database)
        number = _number(current)
        if current and decided and _lacks_previous(decided, current, previous, expected):
            _restore_previous(tracker, current.version, decided.previous)
            return _promotion(current, decided.replaced)
        if number != expected:
            raise PromotionConflict(
                f"Production is version {number or NOTHING}, no longer {expected or NOTHING}.",
                reasons=["another promotion or rollback came first"],
                remedy="Look at what is in production now, and decide again.",
            )
        if decided and decided.is_interrupted(number):
            if decided.line.action == "promote":
                return _withdraw(tracker, database, decided, current, actor, reason)
            if current and decided.target:
                return _swap(tracker, current, version_by_number(tracker, decided.target))
        if current and _is_lost(previous, current) and decided and decided.target == number:
            previous = _previous_of(tracker, decided)
        if current is None or previous is None or previous.version == current.version:
            raise NotFound(
                "There is no previous version to roll back to.",
                remedy="A rollback is possible after the second promotion.",
            )
        ledger.append(
            database,
            actor=actor,
            action="rollback",
            subject=subject_of(previous.version),
            reason=reason,
            evidence={"bundle_sha256": previous.bundle_sha256, "replaced": current.version},
        )
        return _swap(tracker, current, previous)


def challenge(tracker: Tracker, version: RegisteredVersion) -> None:
    """Make `version` the challenger."""
    point_alias(tracker, CHALLENGER, version.version)


def _swap(tracker: Tracker, current: RegisteredVersion, target: RegisteredVersion) -> Promotion:
    end_trials_of(tracker, current)
    end_trials_of(tracker, target)
    point_alias(tracker, PREVIOUS, current.version)
    point_alias(tracker, PRODUCTION, target.version)
    return _promotion(target, current.version)


def _withdraw(
    tracker: Tracker,
    database: Engine,
    decided: Decided,
    current: RegisteredVersion | None,
    actor: str,
    reason: str,
) -> Promotion:
    """Enter that what is in production stays there, and have `previous` as it was before."""
    number = _number(current)
    previous = previous_beside(database, number) if number else None
    ledger.append(
        database,
        actor=actor,
        action="rollback",
        subject=subject_of(number),
        reason=reason,
        evidence={
            "bundle_sha256": current.bundle_sha256 if current else None,
            "replaced": decided.target,
            "previous": previous,
        },
    )
    if number:
        _restore_previous(tracker, number, previous)
    return Promotion(
        name=MODEL_NAME,
        version=number or NOTHING,
        replaced=decided.target,
        bundle_sha256=current.bundle_sha256 if current else "",
    )


def _restore_previous(tracker: Tracker, production: str, previous: str | None) -> None:
    """Have `previous` name what the ledger says, where it names nothing or production itself."""
    if previous is None or previous == production:
        return
    if _number(version_by_alias(tracker, PREVIOUS)) in (None, production):
        point_alias(tracker, PREVIOUS, previous)


def _previous_of(tracker: Tracker, decided: Decided) -> RegisteredVersion | None:
    return version_by_number(tracker, decided.previous) if decided.previous else None


def _lacks_previous(
    decided: Decided,
    current: RegisteredVersion,
    previous: RegisteredVersion | None,
    expected: str | None,
) -> bool:
    """Whether this is a rollback's repetition: production was moved, `previous` not yet.

    Whoever repeats it names the version that was to leave, or, having looked again, the one that
    is there: to swap once more would put the bad version back.
    """
    return (
        decided.line.action == "rollback"
        and decided.target == current.version
        and decided.previous not in (None, current.version)
        and _is_lost(previous, current)
        and expected in (decided.target, decided.replaced)
    )


def _is_lost(previous: RegisteredVersion | None, current: RegisteredVersion) -> bool:
    return previous is None or previous.version == current.version


def _is_repeated(decided: Decided, version: RegisteredVersion, incumbent: str | None) -> bool:
    """Whether the ledger holds this very promotion, and only the aliases are behind."""
    return (
        decided.line.action == "promote"
        and decided.target == version.version
        and decided.replaced == incumbent
    )


def _check_production(
    database: Engine,
    decided: Decided | None,
    current: str | None,
    version: RegisteredVersion,
    incumbent: str | None,
) -> None:
    """Production must be what the gates compared with, and where the ledger's newest decision put
    it, unless that one is repeated or was refused before it was carried out."""
    if current != incumbent:
        raise PromotionConflict(
            f"Production is version {current or NOTHING}, but the gates compared with "
            f"{incumbent or NOTHING}.",
            reasons=["another promotion or rollback came first"],
            remedy="Evaluate this challenger again, against the new incumbent.",
        )
    if decided is None or decided.target in (current, version.version):
        return
    act = decided.line.action
    if act == "promote" and decided.is_interrupted(current) and is_refused(database, decided):
        return
    raise PromotionConflict(
        f"The ledger put version {decided.target or NOTHING} into production, but production is "
        f"version {current or NOTHING}.",
        reasons=[
            f"the {act} by {decided.line.actor} was interrupted, or somebody moved the alias by "
            "hand"
        ],
        remedy=f"Repeat that {act}, or roll back; then promote.",
    )


def _check_moved_by_hand(
    decided: Decided | None, version: RegisteredVersion, incumbent: str | None
) -> None:
    """Somebody moved the alias here without a decision. It is entered afterwards only if the gates
    compared with what the ledger says was in production: else nothing speaks for it."""
    before = decided.target if decided else None
    if before != incumbent:
        raise PromotionConflict(
            f"Production is version {version.version}, but the ledger put version "
            f"{before or NOTHING} there, and the gates compared with {incumbent or NOTHING}.",
            reasons=["somebody moved the alias by hand, or another promotion was interrupted"],
            remedy="Roll back, or put the alias back; then evaluate this challenger again.",
        )


def _number(version: RegisteredVersion | None) -> str | None:
    return version.version if version else None


def _promotion(version: RegisteredVersion, replaced: str | None) -> Promotion:
    return Promotion(
        name=version.name,
        version=version.version,
        replaced=replaced,
        bundle_sha256=version.bundle_sha256,
    )
