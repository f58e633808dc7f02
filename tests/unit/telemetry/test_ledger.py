import pytest

from ml.store import ledger
from ml.store.database import open_database
from ml.store.migrate import migrate
from ml.telemetry.ledger import LedgerNumbers
from tests.unit.telemetry.samples import samples


@pytest.fixture
def database(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/vigie.db")
    migrate(engine)
    return engine


@pytest.fixture
def enter(database):
    def enter(action, **evidence):
        return ledger.append(
            database, actor="a", action=action, subject="s", reason="r", evidence=evidence
        )

    return enter


def test_every_action_counts_from_zero(database):
    found = samples(LedgerNumbers(lambda: database).read())
    assert found["vigie_ledger_entries_total/promote"] == 0
    assert found["vigie_gate_decisions_total/refuse"] == 0
    assert not any(name.startswith("vigie_ledger_last") for name in found)


def test_refusals_count_up_to_the_next_promotion_and_each_line_once(database, enter):
    numbers = LedgerNumbers(lambda: database)
    enter("gate", verdict="promote")
    enter("promote")
    enter("gate", verdict="refuse")
    entry = enter("gate", verdict="refuse")
    enter("key")
    for _ in range(2):
        found = samples(numbers.read())
        assert found["vigie_gate_decisions_total/refuse"] == 2
        assert found["vigie_gate_decisions_total/promote"] == 1
        assert found["vigie_gate_refusals_since_promotion"] == 2
        assert found["vigie_ledger_entries_total/gate"] == 3
    last = "vigie_ledger_last_entry_timestamp_seconds/gate"
    assert found[last] == pytest.approx(entry.at.timestamp())
    enter("promote")
    assert samples(numbers.read())["vigie_gate_refusals_since_promotion"] == 0
