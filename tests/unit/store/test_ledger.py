import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from ml.contract.errors import InputError, LedgerBroken
from ml.contract.records import LedgerEntry
from ml.store import ledger, ledger_chain
from ml.store.database import open_database, reading, writing
from ml.store.migrate import migrate
from ml.store.tables import LEDGER

_TEXT_FIELDS = ("actor", "action", "subject", "reason", "previous_hash", "entry_hash")


def _append(engine: Engine, subject: str = "version 1", **changes: object) -> LedgerEntry:
    values: dict[str, object] = {
        "actor": "ops",
        "action": "promote",
        "subject": subject,
        "reason": "all gates passed",
        "evidence": {"accuracy": 0.91, "gates": ["floor", "parity"]},
    }
    return ledger.append(engine, **(values | changes))  # type: ignore[arg-type]


def _overwrite(engine: Engine, sequence: int, field: str, value: object) -> None:
    with writing(engine) as connection:
        connection.execute(
            text(f"UPDATE ledger SET {field} = :value WHERE sequence = :sequence"),
            {"value": value, "sequence": sequence},
        )


def test_lines_come_back_as_they_were_written(engine: Engine) -> None:
    written = [_append(engine), _append(engine, "version 2", action="rollback")]
    assert ledger.read(engine) == written
    assert [entry.sequence for entry in written] == [1, 2]
    assert ledger.verify(engine) == 2


def test_the_newest_lines_come_first_and_may_be_of_some_actions_alone(engine: Engine) -> None:
    first, second = _append(engine), _append(engine, action="rollback")
    third = _append(engine, action="gate")
    assert ledger.newest(engine, 2) == [third, second]
    assert ledger.newest(engine, 5, ("promote", "rollback")) == [second, first]
    _overwrite(engine, 2, "reason", "another")
    with pytest.raises(LedgerBroken, match="Line 2"):
        ledger.newest(engine, 2)


def test_the_lines_of_one_action_come_oldest_first_and_are_checked(engine: Engine) -> None:
    first, _, third = (_append(engine, action=action) for action in ("gate", "promote", "gate"))
    assert ledger.of_action(engine, "gate") == [first, third]
    _overwrite(engine, 3, "reason", "another")
    with pytest.raises(LedgerBroken, match="Line 3"):
        ledger.of_action(engine, "gate")


def test_an_empty_ledger_is_whole(engine: Engine) -> None:
    assert ledger.verify(engine) == 0


def test_each_line_holds_the_hash_of_the_one_before(engine: Engine) -> None:
    first, second = _append(engine), _append(engine)
    assert first.previous_hash == ledger_chain.FIRST_HASH
    assert second.previous_hash == first.entry_hash


def test_a_time_of_another_zone_is_the_same_line(engine: Engine) -> None:
    at = datetime.fromisoformat("2026-03-01T13:00:00.000001+01:00")
    assert _append(engine, at=at).at == at
    assert ledger.verify(engine) == 1


def test_writers_side_by_side_keep_the_chain(engine: Engine) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: _append(engine, f"version {n}"), range(30)))
    assert ledger.verify(engine) == 30
    assert {entry.subject for entry in ledger.read(engine)} == {f"version {n}" for n in range(30)}


@pytest.mark.parametrize("evidence", [{"x": float("nan")}, {"x": object()}, {"x": b"bytes"}])
def test_evidence_that_is_not_plain_json_is_refused(
    engine: Engine, evidence: dict[str, object]
) -> None:
    with pytest.raises(InputError, match="plain JSON"):
        _append(engine, evidence=evidence)
    assert ledger.verify(engine) == 0


@pytest.mark.parametrize("sequence", [1, 2, 3])
def test_a_removed_line_is_named(engine: Engine, sequence: int) -> None:
    for _ in range(4):
        _append(engine)
    with writing(engine) as connection:
        connection.execute(LEDGER.delete().where(LEDGER.c.sequence == sequence))
    with pytest.raises(LedgerBroken, match=f"Line {sequence} "):
        ledger.verify(engine)


def test_a_line_slipped_in_with_a_hash_of_its_own_is_found(engine: Engine) -> None:
    first, second = _append(engine), _append(engine)
    forged = first.model_copy(update={"reason": "forged"})
    forged = forged.model_copy(update={"entry_hash": ledger_chain.entry_hash(forged)})
    with writing(engine) as connection:
        connection.execute(LEDGER.delete().where(LEDGER.c.sequence == 1))
        connection.execute(LEDGER.insert(), forged.model_dump())
    with pytest.raises(LedgerBroken, match=f"Line {second.sequence} .*does not follow"):
        ledger.verify(engine)


def test_a_changed_time_is_found(engine: Engine) -> None:
    entry = _append(engine)
    with writing(engine) as connection:
        connection.execute(LEDGER.update().values(at=entry.at + timedelta(microseconds=1)))
    with pytest.raises(LedgerBroken, match="Line 1 of the ledger was changed"):
        ledger.verify(engine)


def test_changed_evidence_is_found(engine: Engine) -> None:
    _append(engine)
    _overwrite(engine, 1, "evidence", json.dumps({"accuracy": 0.92, "gates": ["floor", "parity"]}))
    with pytest.raises(LedgerBroken, match="Line 1 of the ledger was changed"):
        ledger.verify(engine)


@pytest.mark.parametrize(("field", "value"), [("at", "yesterday"), ("evidence", "{")])
def test_a_line_that_no_longer_parses_is_named(tmp_path: Path, field: str, value: str) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'vigie.db'}")
    migrate(engine)
    _append(engine)
    _append(engine)
    _overwrite(engine, 2, field, value)
    with pytest.raises(LedgerBroken, match=r"Line 2 .*cannot be read"):
        ledger.verify(engine)


@given(
    sequence=st.integers(1, 3),
    field=st.sampled_from(_TEXT_FIELDS),
    value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_single_changed_field_is_found(
    engine: Engine, sequence: int, field: str, value: str
) -> None:
    while len(entries := ledger.read(engine)) < 3:
        _append(engine)
    original = getattr(entries[sequence - 1], field)
    if field == "action":
        value = value[:32]
    _overwrite(engine, sequence, field, value)
    try:
        if value == original:
            assert ledger.verify(engine) == 3
        else:
            with pytest.raises(LedgerBroken):
                ledger.verify(engine)
    finally:
        _overwrite(engine, sequence, field, original)


_EXAMPLE_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
_EXAMPLE_EVIDENCE = {"0.30000000000000004": 0.30000000000000004, "größer": [1e30, None]}
_SPELLINGS = b" \t\n\rTtEeFfZz09+\0"
"""Bytes that other bytes may be replaced by in a time or in JSON without another meaning."""


@pytest.fixture(scope="module")
def stored_rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """A database file, and the places of all bytes in it that are text of the ledger's rows."""
    path = tmp_path_factory.mktemp("ledger") / "vigie.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    for number in range(3):
        _append(engine, f"version {number}", evidence=_EXAMPLE_EVIDENCE, at=_EXAMPLE_AT)
    columns = [column.name for column in LEDGER.columns if column.name != "sequence"]
    with reading(engine) as connection:
        texts = " || ".join(columns)
        rows = connection.execute(text(f"SELECT {texts} FROM ledger")).scalars().all()
    engine.dispose()
    content, places = path.read_bytes(), []
    for row in rows:  # SQLite stores the texts of a row one after the other
        (start,) = _places(content, row.encode())
        places += range(start, start + len(row.encode()))
    return content, places


def _places(content: bytes, part: bytes) -> list[int]:
    return [at for at in range(len(content)) if content.startswith(part, at)]


@given(
    place=st.integers(min_value=0),
    byte=st.integers(0, 255) | st.sampled_from(list(_SPELLINGS)),
)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_single_changed_byte_of_the_stored_rows_is_found(
    stored_rows: tuple[bytes, list[int]], tmp_path: Path, place: int, byte: int
) -> None:
    content, places = stored_rows
    changed = bytearray(content)
    at = places[place % len(places)]
    assume(changed[at] != byte)
    changed[at] = byte
    path = tmp_path / "changed.db"
    path.write_bytes(changed)
    engine = open_database(f"sqlite:///{path}")
    with pytest.raises(LedgerBroken):
        ledger.verify(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        ("evidence", ": ", ":\t"),
        ("evidence", "f6", "F6"),
        ("evidence", "e+30", "E+30"),
        ("evidence", ": 0.30000000000000004", ": 0.30000000000000005"),
    ],
    ids=["space", "escape", "exponent", "digit beyond a float"],
)
def test_the_same_value_in_another_spelling_is_found(
    engine: Engine, field: str, before: str, after: str
) -> None:
    _append(engine, evidence=_EXAMPLE_EVIDENCE)
    assert ledger.verify(engine) == 1
    with writing(engine) as connection:
        row = connection.execute(text(f"SELECT CAST({field} AS TEXT) FROM ledger"))
        stored = row.scalar_one()
    assert before in stored
    _overwrite(engine, 1, field, stored.replace(before, after, 1))
    with pytest.raises(LedgerBroken, match="Line 1 of the ledger was changed"):
        ledger.verify(engine)


def test_a_stored_time_in_another_spelling_is_found(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'vigie.db'}")
    migrate(engine)
    _append(engine, at=_EXAMPLE_AT)
    for spelled in ("2026-03-01T12:00:00.000000", "2026-03-01 12:00:00.00000", "2026-03-01 12:00"):
        _overwrite(engine, 1, "at", spelled)
        with pytest.raises(LedgerBroken, match="Line 1"):
            ledger.verify(engine)


_LEAVES = (
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**63), 2**63)
    | st.text(max_size=8)
)
_PLAIN = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(evidence=st.dictionaries(st.text(max_size=8), _PLAIN, max_size=4))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_plain_evidence_survives_storage(engine: Engine, evidence: dict[str, object]) -> None:
    _append(engine, evidence=evidence, at=datetime(2026, 1, 1, tzinfo=UTC))
    with reading(engine) as connection:
        stored = connection.execute(LEDGER.select().order_by(LEDGER.c.sequence.desc())).first()
    assert stored is not None
    assert stored.evidence == evidence
    ledger.verify(engine)
