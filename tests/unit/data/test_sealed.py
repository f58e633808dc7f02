import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.data.sealed import Seal, SealBroken

KEY = bytes(range(32))


@given(st.binary(max_size=2000))
def test_what_was_sealed_comes_back(data):
    assert Seal(KEY).open(Seal(KEY).close(data)) == data


def test_a_seal_shows_nothing_of_what_it_holds():
    assert b"Muster^Erika" not in Seal(KEY).close(b"Muster^Erika" * 20)


def test_another_key_does_not_open_it():
    with pytest.raises(SealBroken, match="cannot be opened"):
        Seal(b"x" * 32).open(Seal(KEY).close(b"content"))


@given(st.integers(min_value=0), st.integers(1, 255))
def test_any_changed_byte_is_noticed(place, change):
    sealed = bytearray(Seal(KEY).close(b"content"))
    sealed[place % len(sealed)] ^= change
    # Base64 reads some characters alike; what still opens must be what was sealed.
    with contextlib.suppress(SealBroken):
        assert Seal(KEY).open(bytes(sealed)) == b"content"
