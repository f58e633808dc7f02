"""Versions tried beside production: a canary answers a share of requests, a shadow none.

As with promotion, the ledger line is the decision and comes first; the alias follows; and whoever
decides holds the lock of production.
"""

from typing import Literal

from sqlalchemy import Engine

from ml.contract.errors import InputError, PromotionConflict, Refusal
from ml.contract.registry_names import CANARY_WEIGHT_TAG
from ml.registry.models import (
    CANARY,
    PRODUCTION,
    SHADOW,
    point_alias,
    remove_alias,
    tag_version,
    tags_of,
    version_by_alias,
)
from ml.registry.results import RegisteredVersion
from ml.registry.tracking import Tracker
from ml.store import ledger
from ml.store.exclusive import exclusive

Trial = Literal["canary", "shadow"]


def start_canary(
    tracker: Tracker,
    database: Engine,
    version: RegisteredVersion,
    *,
    weight: float,
    actor: str,
    reason: str,
) -> None:
    """Let `version` answer the share `weight` of requests, or another share than before.

    Raises:
        InputError: the weight is not above 0 and at most 1.
        Refusal: the gates did not pass the version, or it is in production.
        Unavailable: the registry or the database does not answer.
    """
    if not 0 < weight <= 1:
        raise InputError(f"A share of {weight:g} is none.", remedy="Give more than 0, at most 1.")
    with exclusive(database, "production"):
        _refuse_production(tracker, version)
        if tags_of(tracker, version).get("gate") != "promote":
            raise Refusal(
                f"Version {version.version} may not answer.",
                reasons=["its gates have not passed it"],
                remedy="Try it with `vigie shadow`, which answers nobody.",
            )
        _enter(database, CANARY, version, actor, reason, {"weight": weight})
        tag_version(tracker, version.version, CANARY_WEIGHT_TAG, repr(weight))
        point_alias(tracker, CANARY, version.version)


def start_shadow(
    tracker: Tracker, database: Engine, version: RegisteredVersion, *, actor: str, reason: str
) -> None:
    """Have `version` scored on what production answers.

    Raises:
        Refusal: it is in production.
        Unavailable: the registry or the database does not answer.
    """
    with exclusive(database, "production"):
        _refuse_production(tracker, version)
        _enter(database, SHADOW, version, actor, reason, {})
        point_alias(tracker, SHADOW, version.version)


def withdraw(
    tracker: Tracker,
    database: Engine,
    trial: Trial,
    version: RegisteredVersion,
    *,
    actor: str,
    reason: str,
    evidence: dict[str, object],
) -> None:
    """End the trial of `version`; production answers all requests again.

    Raises:
        PromotionConflict: the alias names another version by now, or none.
        Unavailable: the registry or the database does not answer.
    """
    with exclusive(database, "production"):
        current = version_by_alias(tracker, trial)
        if current is None or current.version != version.version:
            raise PromotionConflict(
                f"The {trial} is version {current.version if current else 'none'}, not "
                f"{version.version}.",
                reasons=["somebody moved the alias meanwhile"],
                remedy="Look again: `vigie versions`.",
            )
        ledger.append(
            database,
            actor=actor,
            action="withdraw",
            subject=_subject(version),
            reason=reason,
            evidence={"bundle_sha256": version.bundle_sha256, "alias": trial, **evidence},
        )
        remove_alias(tracker, trial, version.version, CANARY_WEIGHT_TAG)


def end_trials_of(tracker: Tracker, version: RegisteredVersion) -> None:
    """Take `canary` and `shadow` from a version whose promotion or rollback the ledger holds.

    Raises:
        Unavailable: the registry does not answer.
    """
    for trial in (CANARY, SHADOW):
        current = version_by_alias(tracker, trial)
        if current is not None and current.version == version.version:
            remove_alias(tracker, trial, version.version, CANARY_WEIGHT_TAG)


def _refuse_production(tracker: Tracker, version: RegisteredVersion) -> None:
    production = version_by_alias(tracker, PRODUCTION)
    if production is None or production.version == version.version:
        raise Refusal(
            f"Version {version.version} cannot be compared with production.",
            reasons=["it is in production" if production else "nothing is in production"],
            remedy="See `vigie versions`.",
        )


def _enter(
    database: Engine,
    trial: Trial,
    version: RegisteredVersion,
    actor: str,
    reason: str,
    evidence: dict[str, object],
) -> None:
    ledger.append(
        database,
        actor=actor,
        action=trial,
        subject=_subject(version),
        reason=reason,
        evidence={"bundle_sha256": version.bundle_sha256, **evidence},
    )


def _subject(version: RegisteredVersion) -> str:
    return f"{version.name}/{version.version}"
