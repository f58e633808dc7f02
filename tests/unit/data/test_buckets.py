from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse import csgraph

from ml.data.buckets import close_pairs

TABLES = st.integers(0, 30).flatmap(
    lambda count: st.lists(st.lists(st.integers(0, 3), min_size=count, max_size=count), max_size=3)
)


def search(tables: list[list[int]], values: np.ndarray, *, crowd: int) -> np.ndarray:
    """Rows are close where their values differ by at most 1."""
    return close_pairs(
        (np.array(keys, np.uint32) for keys in tables),
        lambda first, second: abs(values[first] - values[second]) <= 1,
        owners=np.arange(len(values)),
        crowd=crowd,
    )


def by_comparing_all(tables: list[list[int]], values: np.ndarray) -> list[tuple[int, int]]:
    return [
        (i, j)
        for i, j in combinations(range(len(values)), 2)
        if abs(values[i] - values[j]) <= 1 and any(keys[i] == keys[j] for keys in tables)
    ]


def components(count: int, pairs: np.ndarray) -> list[int]:
    first, second = np.reshape(pairs, (-1, 2)).astype(np.int64).T
    links = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    return csgraph.connected_components(links, directed=False)[1].tolist()


@given(tables=TABLES, seed=st.integers(0, 99))
def test_every_close_pair_that_shares_a_key_comes_once(tables: list[list[int]], seed: int) -> None:
    count = len(tables[0]) if tables else 0
    values = np.random.default_rng(seed).integers(0, 6, count)
    pairs = search(tables, values, crowd=1000)
    assert [tuple(pair) for pair in pairs.tolist()] == by_comparing_all(tables, values)


@given(tables=TABLES, seed=st.integers(0, 99), crowd=st.integers(1, 5))
def test_a_crowd_is_linked_as_if_all_its_pairs_were_told(
    tables: list[list[int]], seed: int, crowd: int
) -> None:
    count = len(tables[0]) if tables else 0
    values = np.random.default_rng(seed).integers(0, 6, count)
    pairs = search(tables, values, crowd=crowd)
    every = np.array(by_comparing_all(tables, values))
    assert components(count, pairs) == components(count, every)


def test_a_crowd_is_not_compared_with_itself_again_and_again() -> None:
    compared = []

    def are_close(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        compared.append(len(first))
        return (first > 0) & (second > 0)  # all but one are alike

    tables = [np.zeros(20_000, np.uint32)] * 5
    pairs = close_pairs(tables, are_close, owners=np.arange(20_000))
    assert components(20_000, pairs) == [0, *[1] * 19_999]
    assert sum(compared) < 20 * 20_000


def test_rows_of_one_image_are_no_pair() -> None:
    keys = np.zeros(4, np.uint32)
    pairs = close_pairs([keys], lambda first, _: first >= 0, owners=np.array([0, 1, 1, 0]))
    assert pairs.tolist() == [[0, 1]]
