import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.monitoring.dependence import design_effect, ranks


def test_images_of_their_own_are_independent():
    assert design_effect(np.arange(10.0), np.arange(10)) == 1.0


def test_copies_of_an_image_tell_once():
    rng = np.random.default_rng(0)
    assert design_effect(np.repeat(rng.normal(size=200), 4), np.repeat(np.arange(200), 4)) == (
        pytest.approx(4.0)
    )


def test_images_that_are_half_alike_in_threes_are_worth_half():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(100), 3)
    samples = [rng.normal(size=100)[groups] + rng.normal(size=300) for _ in range(200)]
    # 1 + (3 − 1) · ½: the correlation is ½, since half of the variance is the group's.
    assert np.mean([design_effect(sample, groups) for sample in samples]) == pytest.approx(2, 0.05)


def test_unrelated_groups_cost_little():
    rng = np.random.default_rng(2)
    effects = [design_effect(rng.normal(size=300), np.repeat(np.arange(100), 3)) for _ in range(50)]
    assert 1.0 <= np.mean(effects) < 1.1


def test_a_constant_has_no_dependence_to_see():
    assert design_effect(np.zeros(9), np.repeat(np.arange(3), 3)) == 1.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=60), st.integers(0, 100))
def test_it_lies_between_one_and_the_size_of_a_typical_group(groups, seed):
    values = np.random.default_rng(seed).normal(size=(len(groups), 2))
    sizes = np.unique(groups, return_counts=True)[1]
    typical = np.square(sizes).sum() / sizes.sum()
    assert 1.0 <= design_effect(values, np.array(groups)) <= max(1.0, typical) + 1e-9


def test_ranks_share_ties():
    assert ranks(np.array([5.0, 1.0, 5.0])).tolist() == [2.5, 1.0, 2.5]
