from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from ml.contract.errors import InputError, PromotionConflict, Refusal, Unavailable
from ml.contract.registry_names import CANARY_WEIGHT_TAG
from ml.registry.models import (
    CANARY,
    PRODUCTION,
    SHADOW,
    point_alias,
    tag_version,
    tags_of,
    version_by_alias,
)
from ml.registry.results import RegisteredVersion
from ml.registry.tracking import Tracker
from ml.registry.trial import start_canary, start_shadow, withdraw
from ml.store import ledger
from ml.store.database import open_database

Register = Callable[[str], RegisteredVersion]


@pytest.fixture
def tried(tracker: Tracker, register: Register) -> RegisteredVersion:
    """A version that passed its gates, beside one in production."""
    point_alias(tracker, PRODUCTION, register("weekly-1").version)
    version = register("weekly-2")
    tag_version(tracker, version.version, "gate", "promote")
    return version


def canary(tracker: Tracker, database: Engine, version: RegisteredVersion, weight: float) -> None:
    start_canary(tracker, database, version, weight=weight, actor="ops", reason="try it")


def test_a_canary_is_an_alias_a_weight_and_a_line(
    tracker: Tracker, database: Engine, tried: RegisteredVersion
) -> None:
    canary(tracker, database, tried, 0.1)
    assert version_by_alias(tracker, CANARY) == tried
    assert float(tags_of(tracker, tried)[CANARY_WEIGHT_TAG]) == 0.1
    [line] = ledger.read(database)
    assert (line.action, line.subject, line.actor) == ("canary", "vigie/2", "ops")
    assert line.evidence == {"bundle_sha256": tried.bundle_sha256, "weight": 0.1}


@pytest.mark.parametrize("weight", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_lies_above_0_and_at_most_at_1(
    tracker: Tracker, database: Engine, tried: RegisteredVersion, weight: float
) -> None:
    with pytest.raises(InputError):
        canary(tracker, database, tried, weight)
    assert version_by_alias(tracker, CANARY) is None


def test_a_version_that_its_gates_did_not_pass_may_be_a_shadow_only(
    tracker: Tracker, database: Engine, tried: RegisteredVersion
) -> None:
    tag_version(tracker, tried.version, "gate", "refuse")
    with pytest.raises(Refusal, match="may not answer"):
        canary(tracker, database, tried, 0.1)
    assert ledger.read(database) == []
    start_shadow(tracker, database, tried, actor="ops", reason="look")
    assert version_by_alias(tracker, SHADOW) == tried
    assert version_by_alias(tracker, CANARY) is None


def test_production_is_not_tried_against_itself(
    tracker: Tracker, database: Engine, tried: RegisteredVersion
) -> None:
    point_alias(tracker, PRODUCTION, tried.version)
    with pytest.raises(Refusal, match="cannot be compared"):
        canary(tracker, database, tried, 0.1)


def test_a_withdrawal_leaves_its_evidence_and_no_alias(
    tracker: Tracker, database: Engine, tried: RegisteredVersion
) -> None:
    canary(tracker, database, tried, 0.1)
    end(tracker, database, tried)
    assert version_by_alias(tracker, CANARY) is None
    # An alias set by hand must not find the weight of a trial that ended.
    assert CANARY_WEIGHT_TAG not in tags_of(tracker, tried)
    line = ledger.read(database)[-1]
    assert (line.action, line.reason) == ("withdraw", "worse")
    assert line.evidence["why"] == "counts"
    ledger.verify(database)


def test_a_canary_that_was_replaced_meanwhile_is_not_withdrawn(
    tracker: Tracker, database: Engine, tried: RegisteredVersion, register: Register
) -> None:
    canary(tracker, database, tried, 0.1)
    point_alias(tracker, CANARY, register("weekly-3").version)
    with pytest.raises(PromotionConflict, match="canary is version 3"):
        end(tracker, database, tried)
    assert version_by_alias(tracker, CANARY) is not None
    assert len(ledger.read(database)) == 1


def test_a_withdrawal_that_cannot_be_entered_changes_nothing(
    tracker: Tracker,
    database: Engine,
    tried: RegisteredVersion,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    canary(tracker, database, tried, 0.1)
    with pytest.raises(Unavailable):
        end(tracker, open_database(f"sqlite:///{tmp_path_factory.mktemp('db')}/v.db"), tried)
    assert version_by_alias(tracker, CANARY) == tried


def end(tracker: Tracker, database: Engine, version: RegisteredVersion) -> None:
    withdraw(
        tracker,
        database,
        "canary",
        version,
        actor="guard",
        reason="worse",
        evidence={"why": "counts"},
    )
