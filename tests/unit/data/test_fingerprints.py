import hashlib

from hypothesis import given
from hypothesis import strategies as st

from ml.data.fingerprints import Fingerprints


@given(added=st.sets(st.text()), asked=st.sets(st.text()))
def test_what_was_added_is_in_it_and_nothing_else(added: set[str], asked: set[str]) -> None:
    known = Fingerprints(added)
    assert all(name in known for name in added)
    assert [name for name in asked if name in known] == [name for name in asked if name in added]


def test_more_than_are_kept_unsorted_are_found() -> None:
    names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(200_000)]
    known = Fingerprints(names)
    assert all(name in known for name in names[::97])
    assert not any(name[::-1] in known for name in names[::97])
