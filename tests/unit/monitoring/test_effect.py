import numpy as np
import pandas as pd
import pytest

from ml.monitoring.distance import ShareCounter, ValueCounter
from ml.monitoring.effect import difference_bounds

ROUNDS = 300


def covered(draw_reference, draw_window, make, truth):
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(ROUNDS):
        counter = make(draw_reference(rng))
        counter.add(draw_window(rng))
        lower, upper = counter.test(1.0, at_least=1, confidence=0.95).bounds
        hits += lower <= truth <= upper
    return hits / ROUNDS


@pytest.mark.parametrize(("shift", "truth"), [(0.5, 0.1974), (1.5, 0.5467)])
def test_the_interval_holds_the_distance_of_shifted_numbers(shift, truth):
    share = covered(
        lambda rng: pd.Series(rng.normal(size=200)),
        lambda rng: pd.Series(rng.normal(shift, 1, 400)),
        lambda values: ValueCounter(values, np.arange(len(values))),
        truth,
    )
    assert 0.9 <= share <= 1.0


def test_the_interval_holds_the_distance_of_a_changed_mix():
    names = np.array(["a", "b", "c"])
    share = covered(
        lambda rng: pd.Series(names[rng.choice(3, 200, p=(0.5, 0.3, 0.2))], dtype=object),
        lambda rng: pd.Series(names[rng.choice(3, 400, p=(0.3, 0.3, 0.4))], dtype=object),
        lambda values: ShareCounter(values, np.arange(len(values)), categories=list(names)),
        0.2,
    )
    assert 0.9 <= share <= 1.0


def test_bounds_do_not_depend_on_the_direction_and_hold_the_difference():
    up = difference_bounds(0.2, 0.7, (50, 400), 0.95)
    down = difference_bounds(0.7, 0.2, (400, 50), 0.95)
    assert up == pytest.approx(down)
    assert up[0] < 0.5 < up[1]


def test_a_total_change_is_not_certain_from_few_images():
    lower, upper = difference_bounds(0.0, 1.0, (20, 20), 0.95)
    assert lower < 0.85
    assert upper == 1.0


def test_images_that_are_worth_less_leave_more_open():
    wide, narrow = (difference_bounds(0.3, 0.6, (n, n), 0.95) for n in (30, 300))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
