import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.data.split import SPLITS, earlier_places, group_names, split_groups, split_images
from ml.params import SplitParams

SHARES = SplitParams(train=0.7, validation=0.15, test=0.15)


def _frame(groups: int, *, seed: int = 0, first: int = 0) -> pd.DataFrame:
    """Groups of 1 to 5 images, six tenths normal, three benign, one malignant."""
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(first, first + groups):
        label = ("normal", "normal", "benign", "normal", "benign", "normal", "malignant")[group % 7]
        rows += [
            {"image_id": f"{group:04d}-{image}", "label": label, "group": f"g{group:04d}"}
            for image in range(rng.integers(1, 6))
        ]
    return pd.DataFrame(rows)


def _split(frame: pd.DataFrame, earlier: dict[str, str] | None = None) -> pd.DataFrame:
    return frame.assign(split=split_groups(frame, SHARES, seed=1, earlier=earlier or {}))


@settings(max_examples=30, deadline=None)
@given(groups=st.integers(1, 60), seed=st.integers(0, 100))
def test_no_group_is_divided(groups: int, seed: int) -> None:
    frame = _split(_frame(groups, seed=seed))
    assert frame.groupby("group")["split"].nunique().eq(1).all()
    assert set(frame["split"]) <= set(SPLITS)


def test_every_label_is_divided_as_asked() -> None:
    frame = _split(_frame(300))
    shares = pd.crosstab(frame["label"], frame["split"], normalize="index")
    for split in SPLITS:
        assert shares[split].sub(getattr(SHARES, split)).abs().max() < 0.02


def test_ten_groups_of_a_class_reach_every_split() -> None:
    frame = _split(_frame(70))
    malignant = frame[frame["label"] == "malignant"]
    assert set(malignant["split"]) == set(SPLITS)


def test_the_order_of_rows_does_not_matter() -> None:
    frame = _frame(50)
    shuffled = _split(frame.sample(frac=1, random_state=3))
    pd.testing.assert_series_equal(shuffled["split"].sort_index(), _split(frame)["split"])


@settings(max_examples=20, deadline=None)
@given(grown_by=st.integers(0, 60), seed=st.integers(0, 20))
def test_images_keep_their_split_when_the_dataset_grows(grown_by: int, seed: int) -> None:
    old = _split(_frame(40, seed=seed))
    earlier = dict(zip(old["group"], old["split"], strict=True))
    new = pd.concat([_frame(40, seed=seed), _frame(grown_by, seed=seed + 1, first=40)])
    grown = _split(new.reset_index(drop=True), earlier)
    kept = grown.set_index("image_id")["split"].loc[old["image_id"]]
    assert kept.tolist() == old["split"].tolist()


@given(placed=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(SPLITS)), max_size=12))
def test_groups_that_become_one_never_move_between_test_and_the_rest(
    placed: list[tuple[str, str]],
) -> None:
    groups = pd.Series([group for group, _ in placed], dtype=object)
    splits = pd.Series([split for _, split in placed], dtype=object)
    earlier = earlier_places(groups, splits)
    for group in set(groups):
        been = {split for name, split in placed if name == group}
        if "test" in been and len(been) > 1:
            assert group in earlier.contested
            assert group not in earlier.splits
        else:
            # Of train and validation, the one that taught the model most.
            assert earlier.splits[group] == ("train" if "train" in been else been.pop())


def test_a_group_is_named_after_its_lowest_image() -> None:
    names = group_names(["c" * 64, "a" * 64, "b" * 64], np.array([0, 0, 1]))
    assert names == [f"g-{'a' * 16}", f"g-{'a' * 16}", f"g-{'b' * 16}"]


def test_the_paper_split_divides_single_images_within_each_label() -> None:
    frame = _frame(300)
    paper = split_images(frame, SHARES, seed=1)
    shares = pd.crosstab(frame["label"], paper, normalize="index")
    for split in SPLITS:
        assert shares[split].sub(getattr(SHARES, split)).abs().max() < 0.02
    assert paper.groupby(frame["group"]).nunique().max() > 1
    shuffled = frame.sample(frac=1, random_state=3)
    assert split_images(shuffled, SHARES, seed=1).sort_index().equals(paper)
