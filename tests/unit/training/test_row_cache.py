import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.training.row_cache import RowCache


def add(folder, name, numbers):
    RowCache(folder).add(
        name,
        [str(number) for number in numbers],
        [np.full((1, 3), number, np.float32) for number in numbers],
        shape=(3,),
        dtype=np.float32,
    )


def test_rows_of_all_segments_are_found_by_identity(tmp_path):
    add(tmp_path, "a", [1, 2])
    add(tmp_path, "b", [3])
    cache = RowCache(tmp_path)
    assert [cache[name].tolist() for name in ("3", "1")] == [[3.0] * 3, [1.0] * 3]
    assert "4" not in cache


@given(segments=st.lists(st.lists(st.integers(0, 99), min_size=1, unique=True), max_size=4))
def test_whatever_was_added_is_known(tmp_path_factory, segments):
    folder = tmp_path_factory.mktemp("rows")
    for number, rows in enumerate(segments):
        add(folder, str(number), rows)
    cache = RowCache(folder)
    for row in {row for rows in segments for row in rows}:
        assert cache[str(row)][0] == row


@pytest.mark.parametrize("damage", ["rows cut", "rows gone", "identities cut"])
def test_a_damaged_segment_is_unknown_and_can_be_made_anew(tmp_path, damage, caplog):
    add(tmp_path, "a", [1, 2])
    rows, ids = tmp_path / "a.npy", tmp_path / "a.ids.json"
    if damage == "rows gone":
        rows.unlink()
    else:
        file = rows if damage == "rows cut" else ids
        file.write_bytes(file.read_bytes()[:-4])
    assert "1" not in RowCache(tmp_path)
    assert "made anew" in caplog.text
    add(tmp_path, "a", [1, 2])
    assert RowCache(tmp_path)["2"].tolist() == [2.0] * 3
