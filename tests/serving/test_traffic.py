from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.contract.records import ModelIdentity
from ml.contract.session import ModelSession
from serving.errors import NoModel
from serving.model_slot import LoadedModel, ModelSlot
from serving.traffic import Traffic, falls_to_canary

CANARY = LoadedModel(
    None, ModelIdentity(name="vigie", version="2", bundle="ab" * 32), "canary",
    datetime.now(UTC), "canary", 0.25,
)  # fmt: skip
WEIGHTS = st.floats(0, 1)


@given(st.text(), WEIGHTS, WEIGHTS)
def test_more_weight_only_adds_keys(key, one, other):
    less, more = sorted((one, other))
    if falls_to_canary(key, replace(CANARY, weight=less)):
        assert falls_to_canary(key, replace(CANARY, weight=more))


@given(st.text())
def test_the_whole_weight_takes_every_key_and_none_takes_none(key):
    assert falls_to_canary(key, replace(CANARY, weight=1.0))
    assert not falls_to_canary(key, replace(CANARY, weight=0.0))


def test_the_share_is_the_weight_and_another_canary_meets_other_keys():
    keys = [str(number) for number in range(4000)]
    mine = {key for key in keys if falls_to_canary(key, CANARY)}
    assert 0.22 < len(mine) / len(keys) < 0.28
    identity = ModelIdentity(name="vigie", version="3", bundle="cd" * 32)
    theirs = {key for key in keys if falls_to_canary(key, replace(CANARY, identity=identity))}
    assert 0.15 < len(mine & theirs) / len(theirs) < 0.35


def test_a_canary_never_answers_alone(tiny_bundle):
    canary = ModelSlot()
    canary.swap(replace(CANARY, session=ModelSession.open(tiny_bundle), weight=1.0))
    with pytest.raises(NoModel), Traffic(ModelSlot(), canary).lease("key"):
        pass
