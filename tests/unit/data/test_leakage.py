import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.data.appearance import DESCRIPTOR_BYTES
from ml.data.leakage import audit, find_look_alikes, hash_pairs, link_groups, owners
from ml.data.placing import RELATED_COLUMNS
from tests.unit.data.home import small_params

PARAMS = small_params()

HASHES = st.lists(
    # Few bases and few flipped bits: random 64-bit numbers are never near one another.
    st.tuples(st.sampled_from([0, 2**64 - 1, 0x0F0F0F0F0F0F0F0F]), st.sets(st.integers(0, 63)))
    .map(lambda pair: pair[0] ^ sum(1 << bit for bit in list(pair[1])[:6]))
    .map(int),
    max_size=25,
)


def _same_partition(one: np.ndarray, other: list[int]) -> bool:
    return [list(one).index(value) for value in one] == [other.index(value) for value in other]


def _brute_force(links: list[tuple[int, int]], count: int) -> list[int]:
    labels = list(range(count))
    for first, second in links:
        old, new = labels[first], labels[second]
        labels = [new if label == old else label for label in labels]
    return labels


@settings(max_examples=60, deadline=None)
@given(values=HASHES, distance=st.integers(0, 20))
def test_groups_are_those_that_comparing_all_pairs_finds(values: list[int], distance: int) -> None:
    links = [
        (i, j)
        for i in range(len(values))
        for j in range(i)
        if (values[i] ^ values[j]).bit_count() <= distance
    ]
    params = PARAMS.model_copy(update={"near_duplicate_distance": distance})
    frame = pd.DataFrame({"phash": np.array(values, dtype=np.uint64), "descriptor": None})
    found = find_look_alikes(frame, params)
    assert _same_partition(found.groups, _brute_force(links, len(values)))
    assert {(second, first) for first, second in found.hash_pairs.tolist()} <= set(links)


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
    pairs = sorted(map(tuple, hash_pairs(hashes, 4).tolist()))
    assert pairs == [(row, row + 500) for row in range(500)]


def test_thousands_of_nearly_equal_hashes_are_one_group_of_few_pairs() -> None:
    rng = np.random.default_rng(2)
    flipped = np.uint64(1) << rng.integers(0, 64, (20_000, 2), dtype=np.uint64)
    hashes = np.uint64(0x0F0F0F0F0F0F0F0F) ^ flipped[:, 0] ^ flipped[:, 1]
    assert len(np.unique(hashes)) > 1900
    frame = pd.DataFrame({"phash": hashes, "descriptor": None})
    found = find_look_alikes(frame, PARAMS)
    assert (found.groups == 0).all()
    assert len(found.hash_pairs) < 3 * 20_000


def _frame(splits: list[str], labels: list[str], hashes: list[int]) -> pd.DataFrame:
    count = len(splits)
    return pd.DataFrame(
        {
            "image_id": [f"image-{index}" for index in range(count)],
            "label": labels,
            "patient": None,
            "study": None,
            "descriptor": [np.random.default_rng(row).bytes(DESCRIPTOR_BYTES) for row in hashes],
            "phash": np.array(hashes, dtype=np.uint64),
            "group": [f"g{index}" for index in range(count)],
            "split": splits,
        }
    )


def test_the_audit_sees_twins_across_splits_even_where_groups_hide_them() -> None:
    frame = _frame(["train", "test", "test"], ["benign"] * 3, [0, 1, 2**64 - 1])
    report = audit(frame, PARAMS)
    assert (report.near_duplicate_pairs, report.cross_split_groups) == (1, 1)
    assert report.conflicting_groups == 0


def test_an_image_without_a_patient_belongs_to_its_study_and_to_whom_that_belongs() -> None:
    images = pd.DataFrame(
        {
            "patient": ["p", None, None, None, "q"],
            "study": ["s", "s", "t", None, None],
        }
    )
    of = owners(images)
    assert of[[0, 1, 4]].tolist() == ["p", "p", "q"]
    assert of[2] not in (None, "p", "q", "t")
    assert pd.isna(of[3])
    assert owners(images[["patient", "study"]].assign(patient=None, study=None)).isna().all()


def test_one_number_for_the_studies_of_a_whole_site_is_not_taken_for_a_study(caplog) -> None:
    images = pd.DataFrame({"patient": [None] * 203, "study": ["site"] * 201 + ["s"] * 2})
    of = owners(images)
    assert of[:201].isna().all()
    assert of[201:].nunique() == 1
    assert "1 studies without a patient have more than 200 images (up to 201)" in caplog.text
    assert owners(images.assign(patient="p")).nunique() == 1


def test_the_audit_sees_a_study_in_two_splits() -> None:
    frame = _frame(["train", "test"], ["benign"] * 2, [0, 2**64 - 1])
    assert audit(frame.assign(study="s"), PARAMS).cross_split_groups == 1
    assert audit(frame.assign(study=["s", "t"]), PARAMS).cross_split_groups == 0


def test_the_audit_names_twins_with_other_labels() -> None:
    frame = _frame(["train"] * 3, ["benign", "malignant", "benign"], [0, 1, 2**64 - 1])
    report = audit(frame, PARAMS)
    assert report.conflicting_groups == 1
    assert report.conflicting_image_ids == ["image-0", "image-1"]


def test_a_clean_dataset_has_nothing_to_report() -> None:
    report = audit(_frame(["train", "test"], ["benign", "normal"], [0, 2**64 - 1]), PARAMS)
    assert report.model_dump(exclude={"conflicting_image_ids"}) == {
        "exact_copies": 0,
        "near_duplicate_pairs": 0,
        "twin_pairs": 0,
        "cross_split_groups": 0,
        "conflicting_groups": 0,
    }


def test_twins_by_descriptor_are_found_where_the_hash_misses_them() -> None:
    frame = _frame(["train", "test"], ["benign"] * 2, [0, 2**64 - 1])
    frame["descriptor"] = frame["descriptor"].iloc[0]
    report = audit(frame, PARAMS)
    assert (report.near_duplicate_pairs, report.twin_pairs) == (0, 1)
    assert report.cross_split_groups == 1


def _past(
    image_id: str, *, patient: str | None = None, phash: int = 0x0F0F0F0F0F0F0F0F
) -> pd.DataFrame:
    past = _frame(["test"], ["benign"], [phash])[RELATED_COLUMNS]
    return past.assign(image_id=image_id, patient=patient)


def test_a_past_test_image_in_training_is_a_leak() -> None:
    frame = _frame(["train", "test"], ["benign"] * 2, [0, 2**64 - 1])
    assert audit(frame, PARAMS, _past("image-0", phash=0)).cross_split_groups == 1
    assert audit(frame, PARAMS, _past("image-1", phash=2**64 - 1)).cross_split_groups == 0


def test_training_images_related_to_a_past_test_image_are_a_leak() -> None:
    frame = _frame(["train", "test"], ["benign"] * 2, [0, 2**64 - 1]).assign(patient=["p", "q"])
    assert audit(frame, PARAMS, _past("gone")).cross_split_groups == 0
    assert audit(frame, PARAMS, _past("gone", phash=1)).cross_split_groups == 1
    assert audit(frame, PARAMS, _past("gone", patient="p")).cross_split_groups == 1
