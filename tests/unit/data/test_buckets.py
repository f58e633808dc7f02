from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml.data.buckets import pairs_of_equals


@given(keys=st.lists(st.integers(0, 5), max_size=40))
def test_all_pairs_of_equal_keys_come_once(keys: list[int]) -> None:
    pieces = pairs_of_equals(np.array(keys, np.int64))
    pairs = [
        tuple(sorted(pair))
        for first, second in pieces
        for pair in zip(first.tolist(), second.tolist(), strict=True)
    ]
    expected = [(i, j) for i, j in combinations(range(len(keys)), 2) if keys[i] == keys[j]]
    assert sorted(pairs) == expected


def test_many_pairs_come_in_pieces() -> None:
    sizes = [len(first) for first, _ in pairs_of_equals(np.zeros(1500, np.int64))]
    assert sum(sizes) == 1500 * 1499 // 2
    assert max(sizes) <= 2**18 + 1500
