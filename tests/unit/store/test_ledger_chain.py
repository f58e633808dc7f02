import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from ml.contract.errors import LedgerBroken
from ml.store import ledger
from ml.store.ledger_chain import from_lines, to_lines


@pytest.fixture
def text(engine: Engine) -> str:
    for number in range(3):
        ledger.append(
            engine,
            actor="ops",
            action="promote",
            subject=f"vigie/{number}",
            reason="größer als zuvor",
            evidence={"accuracy": 0.9, "gates": ["floor"], "nested": {"b": 1, "a": None}},
        )
    return to_lines(ledger.read(engine))


def test_lines_come_back_and_need_no_database(engine: Engine, text: str) -> None:
    assert from_lines(text) == ledger.read(engine)
    assert from_lines("") == []


_EXAMPLE: list[bytes] = []


@pytest.fixture(scope="module", autouse=True)
def _example(tmp_path_factory: pytest.TempPathFactory) -> None:
    from ml.store.database import open_database
    from ml.store.migrate import migrate

    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/vigie.db")
    migrate(engine)
    for number in range(4):
        ledger.append(
            engine,
            actor="ops",
            action="gate",
            subject=f"run-{number}",
            reason="all gates passed",
            evidence={"gates": {"floor": "0.91 of 0.80"}, "use": number},
        )
    _EXAMPLE[:] = [to_lines(ledger.read(engine)).encode()]


@settings(max_examples=400)
@given(st.integers(min_value=0), st.integers(1, 255))
def test_any_single_changed_byte_is_noticed(place: int, change: int) -> None:
    changed = bytearray(_EXAMPLE[0])
    changed[place % len(changed)] ^= change
    with pytest.raises(LedgerBroken):
        from_lines(changed.decode("utf-8", errors="replace"))


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=40))
def test_any_cut_but_whole_lines_at_the_end_is_noticed(place: int, length: int) -> None:
    text = _EXAMPLE[0].decode()
    start = place % (len(text) - 1)
    cut = text[:start] + text[start + length :]
    with pytest.raises(LedgerBroken):
        from_lines(cut)


def test_lines_in_another_order_are_noticed(text: str) -> None:
    first, second, third = text.splitlines(keepends=True)
    with pytest.raises(LedgerBroken, match="Line 1"):
        from_lines(second + first + third)
    with pytest.raises(LedgerBroken, match="Line 2 of the ledger is missing"):
        from_lines(first + third)


def test_a_line_that_was_signed_anew_breaks_the_one_after_it(text: str) -> None:
    from ml.contract.records import LedgerEntry
    from ml.store.ledger_chain import entry_hash

    lines = text.splitlines()
    forged = LedgerEntry.model_validate({**json.loads(lines[0]), "actor": "nobody"})
    forged = forged.model_copy(update={"entry_hash": entry_hash(forged)})
    with pytest.raises(LedgerBroken, match="Line 2"):
        from_lines(to_lines([forged]) + "\n".join(lines[1:]) + "\n")
