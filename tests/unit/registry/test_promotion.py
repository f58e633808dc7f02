from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from ml.contract.errors import NotFound, PromotionConflict, Refusal, Unavailable
from ml.registry import promotion
from ml.registry.models import (
    CANARY,
    PREVIOUS,
    PRODUCTION,
    SHADOW,
    point_alias,
    tag_version,
    version_by_alias,
)
from ml.registry.results import Promotion, RegisteredVersion
from ml.registry.tracking import Tracker
from ml.registry.trial import start_canary, start_shadow
from ml.store import ledger
from ml.store.database import open_database

Register = Callable[[str], RegisteredVersion]


def promote(
    tracker: Tracker, database: Engine, version: RegisteredVersion, incumbent: str | None
) -> Promotion:
    return promotion.promote(
        tracker,
        database,
        version,
        incumbent=incumbent,
        actor="pipeline",
        reason="weekly",
        evidence={},
    )


def roll_back(tracker: Tracker, database: Engine, leaving: str | None, reason: str) -> Promotion:
    return promotion.rollback(tracker, database, expected=leaving, actor="ops", reason=reason)


def alias(tracker: Tracker, name: str) -> str | None:
    version = version_by_alias(tracker, name)
    return version.version if version else None


def test_the_old_version_becomes_previous(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    first, second = register("weekly-1"), register("weekly-2")
    promote(tracker, database, first, None)
    promote(tracker, database, second, first.version)
    assert (alias(tracker, PRODUCTION), alias(tracker, PREVIOUS)) == ("2", "1")
    assert [entry.action for entry in ledger.read(database)] == ["promote", "promote"]


def test_promoting_again_changes_nothing(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    version = register("weekly-1")
    assert promote(tracker, database, version, None) == promote(tracker, database, version, None)
    assert len(ledger.read(database)) == 1


def test_of_two_promoters_the_second_is_told(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    first, second = register("weekly-1"), register("weekly-2")
    promote(tracker, database, first, None)
    with pytest.raises(PromotionConflict, match="Production is version 1"):
        promote(tracker, database, second, None)
    assert alias(tracker, PRODUCTION) == "1"
    assert len(ledger.read(database)) == 1


def test_a_promotion_that_cannot_be_entered_changes_nothing(
    tracker: Tracker, register: Register, tmp_path_factory: pytest.TempPathFactory
) -> None:
    never_migrated = open_database(f"sqlite:///{tmp_path_factory.mktemp('db')}/vigie.db")
    with pytest.raises(Unavailable):
        promote(tracker, never_migrated, register("weekly-1"), None)
    assert alias(tracker, PRODUCTION) is None


def test_a_rollback_swaps_and_can_be_undone(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    first, second = register("weekly-1"), register("weekly-2")
    promote(tracker, database, first, None)
    promote(tracker, database, second, first.version)
    back = roll_back(tracker, database, "2", reason="too many referrals")
    assert (back.version, back.replaced) == ("1", "2")
    assert (alias(tracker, PRODUCTION), alias(tracker, PREVIOUS)) == ("1", "2")
    roll_back(tracker, database, "1", reason="was a false alarm")
    assert alias(tracker, PRODUCTION) == "2"
    assert ledger.read(database)[-1].reason == "was a false alarm"


def test_without_a_previous_version_there_is_no_rollback(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    promote(tracker, database, register("weekly-1"), None)
    with pytest.raises(NotFound, match="no previous version"):
        roll_back(tracker, database, "1", reason="try")
    assert alias(tracker, PRODUCTION) == "1"


def test_of_two_who_roll_back_the_second_is_told(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    first, second = register("weekly-1"), register("weekly-2")
    promote(tracker, database, first, None)
    promote(tracker, database, second, first.version)
    roll_back(tracker, database, "2", reason="too many referrals")
    with pytest.raises(PromotionConflict, match="version 1, no longer 2"):
        roll_back(tracker, database, "2", reason="too many referrals, too")
    assert (alias(tracker, PRODUCTION), alias(tracker, PREVIOUS)) == ("1", "2")


def test_an_interrupted_promotion_is_repeated_and_no_other_one_goes_before_it(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    first, second, third = (register(f"weekly-{number}") for number in (1, 2, 3))
    promote(tracker, database, first, None)
    ledger.append(
        database, actor="ana", action="promote", subject="vigie/2", reason="weekly", evidence={}
    )
    with pytest.raises(PromotionConflict, match="ledger put version 2") as told:
        promote(tracker, database, third, first.version)
    assert "promote by ana was interrupted" in told.value.reasons[0]
    promote(tracker, database, second, first.version)
    assert (alias(tracker, PRODUCTION), alias(tracker, PREVIOUS)) == ("2", "1")


def test_a_rollback_goes_before_whatever_was_interrupted(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    first, second = register("weekly-1"), register("weekly-2")
    promote(tracker, database, first, None)
    promote(tracker, database, second, first.version)
    ledger.append(
        database, actor="ana", action="promote", subject="vigie/9", reason="weekly", evidence={}
    )
    assert roll_back(tracker, database, "2", reason="too many referrals").version == "1"


def test_an_alias_that_names_production_twice_is_nothing_to_go_back_to(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    promote(tracker, database, register("weekly-1"), None)
    point_alias(tracker, PREVIOUS, "1")
    with pytest.raises(NotFound, match="no previous version"):
        roll_back(tracker, database, "1", reason="try")


def test_what_is_refused_at_the_last_moment_is_not_promoted(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    def refuse() -> None:
        raise Refusal("Refused by a person.")

    with pytest.raises(Refusal):
        promotion.promote(
            tracker,
            database,
            register("weekly-1"),
            incumbent=None,
            actor="pipeline",
            reason="weekly",
            evidence={},
            confirm=refuse,
        )
    assert (alias(tracker, PRODUCTION), ledger.read(database)) == (None, [])


def test_what_becomes_production_is_tried_no_longer_and_no_rollback_brings_the_trial_back(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    first, second = register("weekly-1"), register("weekly-2")
    promote(tracker, database, first, None)
    tag_version(tracker, second.version, "gate", "promote")
    start_canary(tracker, database, second, weight=0.1, actor="ops", reason="try it")
    start_shadow(tracker, database, second, actor="ops", reason="compare")
    promote(tracker, database, second, first.version)
    assert (alias(tracker, CANARY), alias(tracker, SHADOW)) == (None, None)
    roll_back(tracker, database, "2", reason="too many referrals")
    assert (alias(tracker, PRODUCTION), alias(tracker, CANARY)) == ("1", None)


def test_a_rollback_to_the_canary_ends_its_trial_and_leaves_other_trials(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    first, second, third = (register(f"weekly-{number}") for number in (1, 2, 3))
    promote(tracker, database, first, None)
    promote(tracker, database, second, first.version)
    tag_version(tracker, first.version, "gate", "promote")
    start_canary(tracker, database, first, weight=0.1, actor="ops", reason="was it better?")
    start_shadow(tracker, database, third, actor="ops", reason="compare")
    roll_back(tracker, database, "2", reason="it was")
    assert (alias(tracker, PRODUCTION), alias(tracker, CANARY)) == ("1", None)
    assert alias(tracker, SHADOW) == "3"
