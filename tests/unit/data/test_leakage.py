import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml.contract.decoding import Pixels
from ml.data.leakage import (
    audit,
    count_near_duplicate_pairs,
    link_groups,
    near_duplicate_groups,
    perceptual_hash,
)
from ml.data.phantoms import SCANNERS, render_phantom

HASHES = st.lists(
    # Few bases and few flipped bits: random 64-bit numbers are never near one another.
    st.tuples(st.sampled_from([0, 2**64 - 1, 0x0F0F0F0F0F0F0F0F]), st.sets(st.integers(0, 63)))
    .map(lambda pair: pair[0] ^ sum(1 << bit for bit in list(pair[1])[:6]))
    .map(int),
    max_size=25,
)


def _phantom(seed: int, label: str = "benign") -> Pixels:
    return render_phantom(label, np.random.default_rng(seed), SCANNERS[0])


def _distance(one: Pixels, other: Pixels) -> int:
    return (perceptual_hash(one) ^ perceptual_hash(other)).bit_count()


def _same_partition(one: np.ndarray, other: list[int]) -> bool:
    return [list(one).index(value) for value in one] == [other.index(value) for value in other]


def _brute_force(links: list[tuple[int, int]], count: int) -> list[int]:
    labels = list(range(count))
    for first, second in links:
        old, new = labels[first], labels[second]
        labels = [new if label == old else label for label in labels]
    return labels


@pytest.mark.parametrize("seed", range(5))
def test_a_resized_or_brightened_copy_keeps_its_hash(seed: int) -> None:
    pixels = _phantom(seed)
    resized = np.asarray(Image.fromarray(pixels).resize((150, 140), Image.Resampling.BILINEAR))
    brighter = np.clip(pixels.astype(np.int64) + 10, 0, 255).astype(np.uint8)
    assert _distance(pixels, resized) <= 4
    assert _distance(pixels, brighter) <= 4


def test_images_of_one_anatomy_and_of_others_are_not_near_duplicates() -> None:
    hashes = np.array([perceptual_hash(_phantom(seed)) for seed in range(60)], dtype=np.uint64)
    assert count_near_duplicate_pairs(hashes, 4) == 0


@settings(max_examples=60, deadline=None)
@given(values=HASHES, distance=st.integers(0, 20))
def test_groups_are_those_that_comparing_all_pairs_finds(values: list[int], distance: int) -> None:
    links = [
        (i, j)
        for i in range(len(values))
        for j in range(i)
        if (values[i] ^ values[j]).bit_count() <= distance
    ]
    hashes = np.array(values, dtype=np.uint64)
    groups = near_duplicate_groups(hashes, distance)
    assert _same_partition(groups, _brute_force(links, len(values)))
    assert count_near_duplicate_pairs(hashes, distance) == len(links)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 6)), max_size=20)
)
def test_groups_join_whatever_patients_or_near_duplicates_link(
    rows: list[tuple[str | None, int]],
) -> None:
    near = np.array(pd.factorize(np.array([row[1] for row in rows], dtype=int))[0], dtype=np.int64)
    links = [
        (i, j)
        for i in range(len(rows))
        for j in range(i)
        if near[i] == near[j] or (rows[i][0] is not None and rows[i][0] == rows[j][0])
    ]
    groups = link_groups(pd.Series([row[0] for row in rows], dtype=object), near)
    assert _same_partition(groups, _brute_force(links, len(rows)))


def test_a_hundred_thousand_hashes_are_grouped_in_seconds() -> None:
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**63, 100_000, dtype=np.uint64)
    hashes[500:1000] = hashes[:500] ^ np.uint64(0b1011)
    groups = near_duplicate_groups(hashes, 4)
    np.testing.assert_array_equal(groups[500:1000], groups[:500])
    assert groups.max() + 1 == 99_500


def _frame(splits: list[str], labels: list[str], hashes: list[int]) -> pd.DataFrame:
    count = len(splits)
    return pd.DataFrame(
        {
            "image_id": [f"image-{index}" for index in range(count)],
            "label": labels,
            "phash": np.array(hashes, dtype=np.uint64),
            "group": [f"g{index}" for index in range(count)],
            "split": splits,
        }
    )


def test_the_audit_sees_twins_across_splits_even_where_groups_hide_them() -> None:
    frame = _frame(["train", "test", "test"], ["benign"] * 3, [0, 1, 2**64 - 1])
    report = audit(frame, max_distance=4)
    assert (report.near_duplicate_pairs, report.cross_split_groups) == (1, 1)
    assert report.conflicting_groups == 0


def test_the_audit_names_twins_with_other_labels() -> None:
    frame = _frame(["train"] * 3, ["benign", "malignant", "benign"], [0, 1, 2**64 - 1])
    report = audit(frame, max_distance=4)
    assert report.conflicting_groups == 1
    assert report.conflicting_image_ids == ["image-0", "image-1"]


def test_a_clean_dataset_has_nothing_to_report() -> None:
    report = audit(_frame(["train", "test"], ["benign", "normal"], [0, 2**64 - 1]), max_distance=4)
    assert report.model_dump(exclude={"conflicting_image_ids"}) == {
        "exact_copies": 0,
        "near_duplicate_pairs": 0,
        "cross_split_groups": 0,
        "conflicting_groups": 0,
    }
