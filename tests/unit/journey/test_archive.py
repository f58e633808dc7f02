"""Old answers leave the database, and nothing is lost wherever that is broken off."""

import shutil
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from ml.contract.errors import LedgerBroken, Unavailable
from ml.data import storage
from ml.journey.archive import ArchiveDamaged, archive, find_archived
from ml.journey.run import database_of
from ml.journey.trace import trace
from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from ml.store import ledger, prediction_archive
from ml.store.database import reading, writing
from ml.store.predictions import insert_predictions, read_predictions
from ml.store.tables import LEDGER, PREDICTIONS
from tests.unit.store.examples import prediction

PARAMS = load_params(PROJECT_ROOT / "params.toml", overrides=["monitoring.keep_days=90"])
NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)
FIRST = datetime(2026, 2, 27, tzinfo=UTC)
IDS = [f"answer-{number}" for number in range(12)]


@pytest.fixture
def workspace(tmp_path):
    return Workspace.at(tmp_path, expectations=PROJECT_ROOT / "expectations")


@pytest.fixture
def filled(workspace):
    """Three answers a day, of four days; the last one is young enough to stay."""
    insert_predictions(
        database_of(workspace),
        [
            prediction(name, at=FIRST + timedelta(days=number // 3, hours=number % 3))
            for number, name in enumerate(IDS)
        ],
    )
    return workspace


def in_database(workspace):
    return [record.request_id for record in read_predictions(database_of(workspace))]


def in_archive(workspace):
    return [record.request_id for record in find_archived(workspace)]


def files(workspace):
    return sorted(path.name for path in workspace.archived_predictions.glob("*/*"))


def test_whole_days_older_than_the_bound_are_moved(filled):
    moved = archive(filled, PARAMS, now=NOW + timedelta(days=1))
    assert moved.before == date(2026, 3, 4)
    assert moved.days == [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]
    assert moved.rows == 12


def test_what_is_young_stays(filled):
    moved = archive(filled, PARAMS, now=NOW - timedelta(days=1))
    assert moved.rows == 9
    assert in_database(filled) == IDS[9:]
    assert in_archive(filled) == IDS[:9]
    assert [name[:10] for name in files(filled)] == ["2026-02-27", "2026-02-28", "2026-03-01"]


def test_the_ledger_tells_of_each_day_and_of_its_file(filled):
    archive(filled, PARAMS, now=NOW)
    database = database_of(filled)
    (line,) = ledger.about(database, "predictions/2026-02-27")
    assert line.action == "archive"
    assert line.evidence["rows"] == 3
    assert (filled.archived_predictions / str(line.evidence["file"])).is_file()
    assert ledger.verify(database) == len(ledger.read(database))


def test_a_second_run_has_nothing_to_do(filled):
    archive(filled, PARAMS, now=NOW)
    lines = len(ledger.read(database_of(filled)))
    assert archive(filled, PARAMS, now=NOW).rows == 0
    assert len(ledger.read(database_of(filled))) == lines


def test_an_archived_answer_is_traced_as_before(filled):
    before = trace(filled, PARAMS, request_id=IDS[4])
    archive(filled, PARAMS, now=NOW)
    assert trace(filled, PARAMS, request_id=IDS[4]) == before
    assert trace(filled, PARAMS, request_id=IDS[4], day=date(2026, 2, 28)) == before


class Killed(BaseException):
    """As a process that ends in the middle: no handler of errors sees it."""


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (prediction_archive, "write_day"),
        (storage, "sync"),
        (ledger, "append"),
        (prediction_archive, "delete_day"),
    ],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_wherever_it_is_killed_the_next_run_ends_it(filled, monkeypatch, where, name, after):
    step = getattr(where, name)

    def killed(*arguments, **options):
        if after:
            step(*arguments, **options)
        raise Killed

    monkeypatch.setattr(where, name, killed)
    with pytest.raises(Killed):
        archive(filled, PARAMS, now=NOW)
    monkeypatch.undo()
    assert sorted({*in_database(filled), *in_archive(filled)}) == sorted(IDS)

    archive(filled, PARAMS, now=NOW)
    assert [*in_archive(filled), *in_database(filled)] == IDS
    assert len(files(filled)) == 3 + (not in_database(filled))
    for day in ("2026-02-27", "2026-02-28"):
        assert len(ledger.about(database_of(filled), f"predictions/{day}")) == 1


def test_answers_that_come_in_meanwhile_are_kept_and_archived_by_the_next_run(filled, monkeypatch):
    write_day = prediction_archive.write_day

    def overtaken(engine, day, file):
        rows = write_day(engine, day, file)
        insert_predictions(engine, [prediction("latecomer", at=FIRST + timedelta(hours=5))])
        return rows

    monkeypatch.setattr(prediction_archive, "write_day", overtaken)
    with pytest.raises(Unavailable, match="has 4 answers, 3 of them"):
        archive(filled, PARAMS, now=NOW)
    monkeypatch.undo()
    archive(filled, PARAMS, now=NOW)
    assert sorted([*in_archive(filled), *in_database(filled)]) == sorted([*IDS, "latecomer"])


def test_answers_of_a_day_that_is_archived_already_are_added_to_it(filled):
    archive(filled, PARAMS, now=NOW)
    latecomer = prediction("latecomer", at=FIRST + timedelta(hours=5))
    insert_predictions(database_of(filled), [latecomer])
    assert archive(filled, PARAMS, now=NOW).rows == 1
    assert sorted([*in_archive(filled), *in_database(filled)]) == sorted([*IDS, "latecomer"])


def test_a_file_that_is_damaged_deletes_nothing(filled):
    archive(filled, PARAMS, now=NOW)
    (path,) = filled.archived_predictions.glob("*/2026-02-27-*")
    insert_predictions(
        database_of(filled),
        [prediction(name, at=FIRST + timedelta(hours=hour)) for hour, name in enumerate(IDS[:3])],
    )
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ArchiveDamaged, match=r"2026-02-27.*no answer .* was deleted"):
        archive(filled, PARAMS, now=NOW)
    with reading(database_of(filled)) as connection:
        query = (
            select(func.count())
            .select_from(PREDICTIONS)
            .where(PREDICTIONS.c.at < FIRST + timedelta(days=1))
        )
        assert connection.scalars(query).one() == 3


@pytest.fixture
def archived(filled):
    """The same answers, all of them in the archive."""
    archive(filled, PARAMS, now=NOW + timedelta(days=1))
    return filled


def file_of(workspace, day):
    (path,) = workspace.archived_predictions.glob(f"*/{day}-*")
    return path


def refuses_to_tell(workspace, match, day=date(2026, 2, 28)):
    """Looking for an answer of that day, by all ways there are."""
    for when in (None, day):
        with pytest.raises(ArchiveDamaged, match=match) as told:
            trace(workspace, PARAMS, request_id=IDS[4], day=when)
        with pytest.raises(ArchiveDamaged, match=match):
            find_archived(workspace, image_id="ab" * 32, day=when)
    return told.value.remedy


def rewritten(path, label):
    """The file's bytes, had the model answered otherwise."""
    table = pq.read_table(path)
    labels = pa.array([label] * len(table), pa.string())
    table = table.set_column(table.schema.get_field_index("label"), "label", labels)
    pq.write_table(table, path)


def test_an_altered_file_is_not_told_as_what_was_answered(archived):
    rewritten(file_of(archived, "2026-02-28"), "normal")
    remedy = refuses_to_tell(archived, "2026-02-28.*is not what the ledger says")
    assert "Restore" in remedy
    assert len(find_archived(archived, day=date(2026, 2, 27))) == 3


def test_a_file_that_is_gone_is_missed(archived):
    path = file_of(archived, "2026-02-28")
    path.unlink()
    remedy = refuses_to_tell(archived, f"lacks 2026-02/{path.name}")
    assert "Restore" in remedy


def test_a_planted_file_is_not_believed(archived):
    planted = archived.archived_predictions / "2026-02" / "2026-02-28-0123456789abcdef.parquet"
    shutil.copy(file_of(archived, "2026-02-27"), planted)
    refuses_to_tell(archived, f"{planted.name} lies in the archive")


@pytest.mark.parametrize("name", ["answers.parquet", "2026-99-99-0.parquet", "2025-01-01.parquet"])
def test_a_file_of_no_archived_day_is_not_believed(archived, name):
    shutil.copy(file_of(archived, "2026-02-27"), archived.archived_predictions / "2026-02" / name)
    with pytest.raises(ArchiveDamaged, match=f"{name} lies in the archive"):
        find_archived(archived)


def test_a_file_under_another_months_name_is_missed(archived):
    path = file_of(archived, "2026-02-28")
    path.rename(archived.archived_predictions / "2026-03" / path.name)
    with pytest.raises(ArchiveDamaged, match="lacks 2026-02"):
        find_archived(archived)


def test_a_file_whose_day_is_still_in_the_database_is_left_out(filled):
    archive(filled, PARAMS, now=NOW - timedelta(days=1))
    first = file_of(filled, "2026-02-27")
    folder = filled.archived_predictions / "2026-03"
    shutil.copy(first, folder / "2026-03-02-0123456789abcdef.parquet")
    assert in_archive(filled) == IDS[:9]
    assert trace(filled, PARAMS, request_id=IDS[10])[0].request_id == IDS[10]


def test_a_line_about_the_archive_that_was_changed_is_not_believed(archived):
    with writing(database_of(archived)) as connection:
        connection.execute(LEDGER.update().values(reason="another"))
    with pytest.raises(LedgerBroken):
        find_archived(archived)


def test_windows_that_are_still_looked_at_are_never_archived():
    with pytest.raises(Exception, match="keep_days must be at least 63"):
        load_params(PROJECT_ROOT / "params.toml", overrides=["monitoring.keep_days=62"])
