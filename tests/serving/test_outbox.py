import multiprocessing
from pathlib import Path

import pytest

from serving.errors import LogUnavailable
from serving.outbox import Outbox, OutboxRow


def rows(*keys: str, body: str = "{}") -> list[OutboxRow]:
    return [OutboxRow("prediction", key, body) for key in keys]


def _append_many(path: Path, name: str) -> None:
    outbox = Outbox(path)
    for index in range(50):
        outbox.append(rows(f"{name}-{index}"))


def _fits(outbox: Outbox, group: list[OutboxRow]) -> bool:
    try:
        outbox.append(group)
    except LogUnavailable:
        return False
    return True


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.sqlite")


def test_rows_come_back_in_order_until_they_are_removed(outbox):
    outbox.append(rows("a", "b", "c"))
    assert [row.key for row in outbox.oldest(2)] == ["a", "b"]
    outbox.remove(["a", "b"])
    assert [row.key for row in outbox.oldest(9)] == ["c"]
    assert (outbox.depth(), outbox.holds("c"), outbox.holds("a")) == (1, True, False)


def test_rows_survive_a_reopening(outbox, tmp_path):
    outbox.append(rows("a"))
    assert Outbox(tmp_path / "outbox.sqlite").holds("a")


def test_a_row_set_aside_is_kept_but_not_shipped(outbox):
    outbox.append(rows("bad", "good"))
    outbox.set_aside("bad", "DataError")
    assert [row.key for row in outbox.oldest(9)] == ["good"]
    assert outbox.holds("bad")


def test_a_full_disk_is_said_and_takes_no_half_of_a_group(tmp_path):
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=2**17)
    groups = 0
    while _fits(outbox, rows(f"a{groups}", f"b{groups}", body="x" * 2000)):
        groups += 1
    assert outbox.depth() == 2 * groups > 0
    with pytest.raises(LogUnavailable, match="full"):
        outbox.probe()
    outbox.remove([row.key for row in outbox.oldest(1000)])
    outbox.probe()
    outbox.append(rows("again"))


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "outbox.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(LogUnavailable):
        Outbox(tmp_path / "outbox.sqlite")


def test_several_processes_share_one_outbox(tmp_path):
    path = tmp_path / "outbox.sqlite"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_append_many, args=(path, name)) for name in "abc"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert Outbox(path).depth() == 150
