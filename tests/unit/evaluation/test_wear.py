import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.evaluation.gate_results import SplitWear
from ml.evaluation.wear import confidence_after, confidence_of_use, is_worn_by, split_digest

images = st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=30)


@given(st.floats(0.001, 0.4), st.integers(1, 60))
def test_the_errors_of_all_uses_sum_to_what_is_allowed(total, uses):
    params = gate_params(total, uses)
    spent = sum(1 - confidence_of_use(use, params) for use in range(1, uses + 1))
    assert spent == pytest.approx(total)


@given(st.integers(1, 30), st.integers(1, 30))
def test_every_further_use_asks_for_more(first, second):
    params = gate_params(0.01, 12)
    early, late = sorted([first, second])
    assert confidence_of_use(early, params) <= confidence_of_use(late, params)


def test_unknown_wear_is_the_worst(params):
    assert confidence_after(None, params.gates) == confidence_of_use(12, params.gates)
    wear = SplitWear(test_split="a", use=1, earlier=[])
    assert confidence_after(wear, params.gates) == pytest.approx(0.99678, abs=1e-5)


def test_uses_are_counted_from_one(params):
    with pytest.raises(ValueError, match="from 1"):
        confidence_of_use(0, params.gates)


@given(images)
def test_a_split_is_named_by_its_images_in_any_order(ids):
    assert split_digest(sorted(ids)) == split_digest(sorted(ids, reverse=True))


@given(images, images)
def test_two_splits_have_one_name_only_if_they_are_one(first, second):
    assert (split_digest(first) == split_digest(second)) == (first == second)


def test_a_few_new_images_make_no_fresh_split():
    old = {f"old{number}" for number in range(100)}
    grown = old | {f"new{number}" for number in range(20)}
    renewed = {f"new{number}" for number in range(101)} | old
    assert is_worn_by(old, old)
    assert is_worn_by(grown, old)
    assert not is_worn_by(renewed, old)


def gate_params(total, uses):
    from pathlib import Path

    from ml.params import load_params

    path = Path(__file__).parents[3] / "params.toml"
    gates = load_params(path, profile="standard").gates
    return gates.model_copy(update={"false_promotion": total, "max_test_uses": uses})
