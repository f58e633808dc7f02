from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.contract.api_keys import SCOPES, KeyRing, allows, issue, read_keys, write_keys
from ml.contract.errors import InvalidParams, NotFound

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def made(**given):
    return issue("client", ["predict"], now=NOW, **given)


def test_a_key_is_found_by_what_was_shown_once():
    key, kept = made()
    assert KeyRing([kept]).find(key, NOW) == kept


def test_what_is_kept_does_not_let_anybody_in():
    key, kept = made()
    secret = key.rpartition("_")[2]
    assert secret not in kept.model_dump_json()
    assert KeyRing([kept]).find(kept.sha256, NOW) is None
    assert KeyRing([kept]).find(f"vigie_{kept.key_id}_{kept.sha256[:43]}", NOW) is None


@given(st.data())
def test_no_other_text_is_the_key(data):
    key, kept = made()
    place = data.draw(st.integers(0, len(key) - 1))
    letter = data.draw(st.characters())
    changed = key[:place] + letter + key[place + 1 :]
    assert (KeyRing([kept]).find(changed, NOW) is not None) == (changed == key)


@given(st.text())
def test_any_text_may_be_presented(text):
    assert KeyRing([made()[1]]).find(text, NOW) is None


def test_an_expired_key_is_not_found():
    key, kept = made(expires_at=NOW + timedelta(hours=1))
    assert KeyRing([kept]).find(key, NOW + timedelta(minutes=59))
    assert KeyRing([kept]).find(key, NOW + timedelta(hours=1)) is None


@pytest.mark.parametrize("scope", SCOPES)
def test_admin_may_do_all_and_the_others_their_own(scope):
    assert allows(["admin"], scope)
    assert allows([scope], scope)
    assert allows(["predict"], scope) == (scope == "predict")


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "a\nb"}, {"scopes": []}, {"scopes": ["all"]}]
)
def test_a_key_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidParams, match="No such key"):
        issue(**{"name": "client", "scopes": ["predict"], "now": NOW, **wrong})


def test_a_file_keeps_keys_for_its_owner_alone(tmp_path):
    path = tmp_path / "secrets" / "keys.json"
    (key, first), (_, second) = made(), made(per_minute=5)
    write_keys(path, KeyRing([first, second]))
    assert path.stat().st_mode & 0o777 == 0o600
    ring = read_keys(path)
    assert ring.find(key, NOW) == first
    assert ring.get(second.key_id).per_minute == 5
    write_keys(path, ring.without(first.key_id))
    assert read_keys(path).find(key, NOW) is None
    with pytest.raises(NotFound):
        read_keys(path).get(first.key_id)


@pytest.mark.parametrize("text", ["", "{}", '{"keys": [{"name": "x"}]}', "[1]", "\xff"])
def test_a_file_that_is_none_lets_nobody_in(tmp_path, text):
    path = tmp_path / "keys.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InvalidParams, match=r"keys\.json"):
        read_keys(path)
