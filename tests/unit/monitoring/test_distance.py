import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp

from ml.monitoring.distance import ShareCounter, ValueCounter

NUMBERS = st.lists(st.integers(-3, 3), min_size=1, max_size=40)


def alone(values):
    return np.arange(len(values))


def counted(counter, window, pieces=3):
    for piece in np.array_split(np.array(window), pieces):
        counter.add(pd.Series(piece, dtype=object if isinstance(window[0], str) else None))
    return counter.test(1.0, at_least=1, confidence=0.95)


@settings(max_examples=200, deadline=None)
@given(NUMBERS, NUMBERS)
def test_the_distance_of_pieces_is_scipys_of_the_whole_ties_included(reference, window):
    tested = counted(ValueCounter(pd.Series(reference, dtype=float), alone(reference)), window)
    assert tested.effect == pytest.approx(ks_2samp(reference, window).statistic)


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_independent_images_have_scipys_p_value(shift):
    rng = np.random.default_rng(3)
    reference, window = rng.normal(size=300), rng.normal(shift, 1, 200)
    tested = counted(ValueCounter(pd.Series(reference), alone(reference)), window)
    expected = ks_2samp(reference, window, method="asymp").pvalue
    assert tested.p_value == pytest.approx(expected, rel=1e-6)
    assert tested.reference == pytest.approx(reference.mean())
    assert tested.current == pytest.approx(window.mean())


def test_images_that_are_worth_less_prove_less():
    rng = np.random.default_rng(4)
    reference, window = rng.normal(size=300), rng.normal(0.3, 1, 200)
    counter = ValueCounter(pd.Series(reference), alone(reference))
    whole = counted(counter, window)
    half = counter.test(0.5, at_least=1, confidence=0.95)
    assert half.effect == whole.effect
    assert half.p_value > whole.p_value
    assert half.current_worth == pytest.approx(100)


def test_copies_in_the_reference_count_once():
    rng = np.random.default_rng(5)
    reference = np.repeat(rng.normal(size=100), 3)
    tested = counted(ValueCounter(pd.Series(reference), np.repeat(np.arange(100), 3)), [0.0] * 50)
    assert tested.reference_worth == pytest.approx(100)


def test_missing_values_are_left_out():
    counter = ValueCounter(pd.Series([1.0, np.nan, 2.0]), np.arange(3))
    counter.add(pd.Series([np.nan, 1.5, np.inf]))
    tested = counter.test(1.0, at_least=1, confidence=0.95)
    assert (tested.reference_worth, tested.current_worth) == (2, 1)


def test_a_side_without_values_is_not_tested():
    assert (
        ValueCounter(pd.Series([np.nan]), np.arange(1)).test(1.0, at_least=0, confidence=0.95)
        is None
    )
    counter = ValueCounter(pd.Series([1.0]), np.arange(1))
    counter.add(pd.Series([1.0] * 9))
    assert counter.test(1.0, at_least=10, confidence=0.95) is None
    assert counter.test(1.0, at_least=9, confidence=0.95) is not None


def test_shares_are_compared_by_half_of_all_differences():
    reference = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    window = ["a"] * 10 + ["b"] * 30 + ["c"] * 60
    tested = counted(ShareCounter(pd.Series(reference), alone(reference)), window)
    assert tested.effect == pytest.approx(0.5)
    assert tested.p_value == pytest.approx(chi2_contingency([[60, 30, 10], [10, 30, 60]]).pvalue)


def test_what_the_reference_does_not_know_is_a_category_of_its_own():
    tested = counted(ShareCounter(pd.Series(["a"] * 50), np.arange(50)), ["a"] * 25 + ["new"] * 25)
    assert tested.effect == pytest.approx(0.5)
    assert tested.p_value < 1e-6


def test_a_share_that_both_sides_lack_is_no_difference():
    counter = ShareCounter(
        pd.Series(["report"] * 50), np.arange(50), categories=("report", "refer"), told="refer"
    )
    tested = counted(counter, ["report"] * 30)
    assert (tested.effect, tested.p_value) == (0, 1)
    assert (tested.reference, tested.current) == (0.0, 0.0)


def test_groups_that_answer_alike_prove_less():
    reference = np.repeat(["a", "b"], 60)
    together, apart = (
        counted(ShareCounter(pd.Series(reference), groups), ["a"] * 80 + ["b"] * 20)
        for groups in (np.repeat(np.arange(30), 4), np.arange(120))
    )
    assert together.p_value > apart.p_value
    assert together.reference_worth == pytest.approx(30)
