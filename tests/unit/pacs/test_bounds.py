from hypothesis import given
from hypothesis import strategies as st

from ml.pacs.bounds import ObjectBytes


@given(st.lists(st.binary(max_size=8), max_size=12), st.integers(0, 40))
def test_bytes_are_kept_whole_or_not_at_all(parts, limit):
    kept, whole = ObjectBytes(limit), b"".join(parts)
    assert [kept.write(part) for part in parts] == [len(part) for part in parts]
    assert kept.overflowed == (len(whole) > limit)
    assert kept.getvalue() == (b"" if kept.overflowed else whole)
