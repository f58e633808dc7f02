"""A promotion or rollback that stops between its steps: each way out leads to ledger and aliases
that agree."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from ml.contract.errors import NotFound, PromotionConflict, Refusal, Unavailable
from ml.contract.records import LedgerAction
from ml.registry import promotion
from ml.registry.models import (
    MODEL_NAME,
    PREVIOUS,
    PRODUCTION,
    point_alias,
    version_by_alias,
    version_by_number,
)
from ml.registry.results import Promotion, RegisteredVersion
from ml.registry.tracking import Tracker
from ml.store import ledger
from tests.fakes.leaving_registry import LeavingRegistry

Register = Callable[[str], RegisteredVersion]
between_steps = pytest.mark.parametrize(
    "moves", [0, 1], ids=["before-any-alias", "between-the-aliases"]
)


@pytest.fixture
def registry(tracker: Tracker, database: Engine, register: Register) -> Tracker:
    """Version 2 in production, 1 before it, 3 and 4 registered."""
    for number in (1, 2, 3, 4):
        register(f"weekly-{number}")
    promote(tracker, database, "1", incumbent=None)
    promote(tracker, database, "2", incumbent="1")
    return tracker


def promote(
    tracker: Tracker,
    database: Engine,
    number: str,
    *,
    incumbent: str | None = "2",
    confirm: Callable[[], None] = lambda: None,
) -> Promotion:
    return promotion.promote(
        tracker,
        database,
        version_by_number(tracker, number),
        incumbent=incumbent,
        actor="pipeline",
        reason="weekly",
        evidence={},
        confirm=confirm,
    )


def roll_back(tracker: Tracker, database: Engine, leaving: str | None) -> Promotion:
    return promotion.rollback(
        tracker, database, expected=leaving, actor="ops", reason="too many referrals"
    )


def interrupted(
    move: Callable[..., Promotion], tracker: Tracker, *told: object, moves: int, **more: object
) -> None:
    with pytest.raises(Unavailable):
        move(LeavingRegistry(tracker, moves=moves), *told, **more)


def answer(database: Engine, number: str, action: LedgerAction) -> None:
    """A person's answer about a version."""
    ledger.append(
        database,
        actor="Dr. Amal",
        action=action,
        subject=f"vigie/{number}",
        reason="",
        evidence={},
    )


def refuse() -> None:
    raise Refusal("Refused by a person.")


def aliases(tracker: Tracker) -> tuple[str | None, str | None]:
    """What `production` and `previous` name."""
    named = (version_by_alias(tracker, alias) for alias in (PRODUCTION, PREVIOUS))
    production, previous = (version.version if version else None for version in named)
    return production, previous


def decided(database: Engine) -> list[tuple[str, str]]:
    """Promotions and rollbacks, oldest first."""
    return [
        (line.action, line.subject.rpartition("/")[2])
        for line in ledger.read(database)
        if line.action in ("promote", "rollback")
    ]


FIRST_TWO = [("promote", "1"), ("promote", "2")]


@between_steps
def test_a_promotion_that_is_repeated_is_completed_and_entered_once(
    registry: Tracker, database: Engine, moves: int
) -> None:
    interrupted(promote, registry, database, "3", moves=moves)
    assert aliases(registry)[0] == "2"
    done = promote(registry, database, "3")
    assert (done.version, done.replaced) == ("3", "2")
    assert aliases(registry) == ("3", "2")
    assert decided(database) == [*FIRST_TWO, ("promote", "3")]


@between_steps
def test_no_other_promotion_goes_before_one_that_was_interrupted(
    registry: Tracker, database: Engine, moves: int
) -> None:
    interrupted(promote, registry, database, "3", moves=moves)
    with pytest.raises(PromotionConflict, match="ledger put version 3") as told:
        promote(registry, database, "4")
    assert "roll back" in told.value.remedy


@between_steps
def test_what_a_person_refuses_meanwhile_keeps_the_next_promotion_waiting_no_longer(
    registry: Tracker, database: Engine, moves: int
) -> None:
    interrupted(promote, registry, database, "3", moves=moves)
    answer(database, "3", "refuse")
    with pytest.raises(Refusal, match="by a person"):
        promote(registry, database, "3", confirm=refuse)
    assert promote(registry, database, "4").version == "4"
    assert aliases(registry) == ("4", "2")
    assert decided(database) == [*FIRST_TWO, ("promote", "3"), ("promote", "4")]
    assert roll_back(registry, database, "4").version == "2"


def test_what_is_approved_after_all_is_waited_for(registry: Tracker, database: Engine) -> None:
    interrupted(promote, registry, database, "3", moves=1)
    answer(database, "3", "refuse")
    answer(database, "3", "approve")
    with pytest.raises(PromotionConflict):
        promote(registry, database, "4")
    assert promote(registry, database, "3").version == "3"


def test_a_refusal_of_what_was_in_production_does_not_let_another_go_on(
    registry: Tracker, database: Engine
) -> None:
    promote(registry, database, "3")
    answer(database, "3", "refuse")
    point_alias(registry, PRODUCTION, "1")
    with pytest.raises(PromotionConflict, match="ledger put version 3"):
        promote(registry, database, "4", incumbent="1")


@between_steps
def test_a_rollback_withdraws_a_promotion_that_did_not_reach_production(
    registry: Tracker, database: Engine, moves: int
) -> None:
    interrupted(promote, registry, database, "3", moves=moves)
    withdrawn = roll_back(registry, database, "2")
    assert (withdrawn.version, withdrawn.replaced) == ("2", "3")
    assert aliases(registry) == ("2", "1")
    assert decided(database)[-1] == ("rollback", "2")
    assert promote(registry, database, "4").version == "4"
    assert aliases(registry) == ("4", "2")


@between_steps
def test_after_a_promotion_was_withdrawn_a_rollback_goes_to_what_was_before(
    registry: Tracker, database: Engine, moves: int
) -> None:
    interrupted(promote, registry, database, "3", moves=moves)
    roll_back(registry, database, "2")
    assert roll_back(registry, database, "2").version == "1"
    assert aliases(registry) == ("1", "2")


def test_a_withdrawal_that_is_repeated_is_completed_and_goes_no_further(
    registry: Tracker, database: Engine
) -> None:
    interrupted(promote, registry, database, "3", moves=1)
    interrupted(roll_back, registry, database, "2", moves=0)
    assert roll_back(registry, database, "2").version == "2"
    assert aliases(registry) == ("2", "1")
    assert decided(database) == [*FIRST_TWO, ("promote", "3"), ("rollback", "2")]


@between_steps
def test_a_rollback_that_is_repeated_is_completed_and_entered_once(
    registry: Tracker, database: Engine, moves: int
) -> None:
    interrupted(roll_back, registry, database, "2", moves=moves)
    done = roll_back(registry, database, "2")
    assert (done.version, done.replaced) == ("1", "2")
    assert aliases(registry) == ("1", "2")
    assert decided(database) == [*FIRST_TWO, ("rollback", "1")]


@pytest.mark.parametrize("leaving", ["2", "1"], ids=["as-seen-before", "as-seen-now"])
@pytest.mark.parametrize("is_lost", [False, True])
def test_a_rollback_that_moved_production_alone_gets_its_previous_version(
    registry: Tracker, database: Engine, leaving: str, is_lost: bool
) -> None:
    interrupted(roll_back, registry, database, "2", moves=1)
    point_alias(registry, PRODUCTION, "1")
    point_alias(registry, PREVIOUS, "1")
    if is_lost:
        registry.client.delete_registered_model_alias(MODEL_NAME, PREVIOUS)
    assert roll_back(registry, database, leaving).version == "1"
    assert aliases(registry) == ("1", "2")
    assert decided(database) == [*FIRST_TWO, ("rollback", "1")]


@between_steps
def test_no_promotion_goes_before_a_rollback_that_was_interrupted(
    registry: Tracker, database: Engine, moves: int
) -> None:
    interrupted(roll_back, registry, database, "2", moves=moves)
    with pytest.raises(PromotionConflict, match="ledger put version 1") as told:
        promote(registry, database, "3")
    assert "Repeat that rollback" in told.value.remedy


def test_a_first_promotion_that_was_interrupted_can_be_repeated_or_withdrawn(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    for number in (1, 2):
        register(f"weekly-{number}")
    interrupted(promote, tracker, database, "1", moves=0, incumbent=None)
    with pytest.raises(PromotionConflict):
        promote(tracker, database, "2", incumbent=None)
    assert roll_back(tracker, database, None).version == "none"
    with pytest.raises(NotFound, match="no previous version"):
        roll_back(tracker, database, None)
    interrupted(promote, tracker, database, "2", moves=0, incumbent=None)
    assert promote(tracker, database, "2", incumbent=None).version == "2"
    assert aliases(tracker) == ("2", None)


def test_a_second_promotion_that_was_interrupted_leaves_no_way_further_back(
    tracker: Tracker, database: Engine, register: Register
) -> None:
    for number in (1, 2):
        register(f"weekly-{number}")
    promote(tracker, database, "1", incumbent=None)
    interrupted(promote, tracker, database, "2", moves=1, incumbent="1")
    assert roll_back(tracker, database, "1").version == "1"
    with pytest.raises(NotFound, match="no previous version"):
        roll_back(tracker, database, "1")
    assert promote(tracker, database, "2", incumbent="1").version == "2"
    assert aliases(tracker) == ("2", "1")


def test_what_was_moved_into_production_by_hand_is_entered_when_it_is_promoted(
    registry: Tracker, database: Engine
) -> None:
    point_alias(registry, PRODUCTION, "3")
    with pytest.raises(Refusal, match="by a person"):
        promote(registry, database, "3", confirm=refuse)
    assert decided(database) == FIRST_TWO
    assert promote(registry, database, "3").replaced == "2"
    assert ledger.read(database)[-1].evidence["found_in_production"] is True
    assert decided(database) == [*FIRST_TWO, ("promote", "3")]
    assert aliases(registry) == ("3", "2")


def test_what_was_moved_by_hand_and_compared_with_another_version_is_not_entered(
    registry: Tracker, database: Engine
) -> None:
    point_alias(registry, PRODUCTION, "3")
    with pytest.raises(PromotionConflict, match="ledger put version 2 there"):
        promote(registry, database, "3", incumbent="1")
    assert decided(database) == FIRST_TWO


def test_repeating_an_older_promotion_does_not_hide_that_another_was_interrupted(
    registry: Tracker, database: Engine
) -> None:
    interrupted(promote, registry, database, "3", moves=1)
    with pytest.raises(PromotionConflict, match="ledger put version 3 there"):
        promote(registry, database, "2", incumbent="1")


def test_an_alias_that_was_lost_is_found_again_in_the_ledger(
    registry: Tracker, database: Engine
) -> None:
    registry.client.delete_registered_model_alias(MODEL_NAME, PREVIOUS)
    promote(registry, database, "2", incumbent="1")
    assert aliases(registry) == ("2", "1")
    registry.client.delete_registered_model_alias(MODEL_NAME, PREVIOUS)
    assert roll_back(registry, database, "2").version == "1"
    assert aliases(registry) == ("1", "2")
