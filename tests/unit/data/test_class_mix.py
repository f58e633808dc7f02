import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.data.class_mix import class_mix_distance, share_of_each

MIXES = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 50), min_size=1)


def _images(mix: dict[str, int]) -> pd.Series:
    return pd.Series([label for label, count in mix.items() for _ in range(count)], dtype=object)


@given(MIXES, MIXES)
def test_it_is_a_distance_between_mixes(one: dict, other: dict) -> None:
    there = class_mix_distance(_images(one), other)
    assert 0 <= there <= 1 + 1e-12
    assert there == pytest.approx(class_mix_distance(_images(other), one))
    assert class_mix_distance(_images(one), one) == pytest.approx(0, abs=1e-12)


def test_mixes_without_a_label_in_common_are_farthest() -> None:
    assert class_mix_distance(_images({"a": 3}), {"b": 7}) == 1


def test_shares_add_up_over_the_values_that_are_there() -> None:
    shares = share_of_each(pd.Series(["a", "a", "b", None], dtype=object))
    assert shares[:3].tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert shares[3:].isna().all()
