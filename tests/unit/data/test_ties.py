import pandas as pd

from ml.data.ties import Related, relate
from tests.unit.data.home import small_params

FEW, MANY = small_params("data.max_tied_images=50"), small_params("data.max_tied_images=5")
FAR = 0x00000000FFFFFFFF


def rows(*images: tuple[str, str | None, int]) -> pd.DataFrame:
    """Images by name, patient and hash; hashes within 4 bits look alike."""
    frame = pd.DataFrame(images, columns=["image_id", "patient", "phash"])
    return frame.astype({"phash": "uint64"}).assign(study=None, descriptor=None)


# Patient p has four past images in train, q four in test; one of each is a picture of its own.
PAST = rows(
    *((f"p{n}", "p", 0b11111111 << 8 * n) for n in range(4)),
    *((f"q{n}", "q", ~(0b11111111 << 8 * n) & (2**64 - 1)) for n in range(4)),
).assign(split=["train"] * 4 + ["test"] * 4)


def related(new: pd.DataFrame, params=MANY, past: pd.DataFrame = PAST) -> Related:
    return relate(pd.concat([past.drop(columns="split"), new], ignore_index=True), past, params)


def test_new_images_that_touch_one_split_go_where_it_is() -> None:
    found = related(rows(("x", "p", FAR), ("y", None, 0b11111111 ^ 1)))
    assert found.groups["x"] == found.groups["y"] == found.groups["p0"]
    assert found.places.splits[found.groups["x"]] == "train"
    assert (len(found.ties), len(found.left_out)) == (0, 0)


def test_a_small_group_that_fits_nowhere_is_given_up_and_who_joined_it_is_told() -> None:
    new = rows(("x", "p", int(PAST["phash"].iloc[4]) ^ 1), ("y", "p", FAR))
    found = related(new, FEW)
    assert found.places.contested == {found.groups["x"]}
    assert found.ties.to_dict("records") == [
        {"image_id": "x", "images": 8, "splits": "test, train"}
    ]
    assert not found.left_out


def test_of_a_large_one_only_the_image_that_joins_it_is_left_out() -> None:
    new = rows(("x", "p", int(PAST["phash"].iloc[4]) ^ 1), ("y", "p", FAR))
    found = related(new)
    assert found.left_out == {"x"}
    assert found.ties["image_id"].tolist() == ["x"]
    assert "x" not in found.groups.index
    assert found.places.contested == frozenset()
    assert found.places.splits[found.groups["y"]] == "train"
    assert found.places.splits[found.groups["q0"]] == "test"


def test_images_that_only_together_join_a_large_one_are_left_out_together() -> None:
    new = rows(
        ("x", "z", int(PAST["phash"].iloc[0]) ^ 1), ("y", "z", int(PAST["phash"].iloc[4]) ^ 1)
    )
    found = related(new)
    assert found.left_out == {"x", "y"}
    assert found.places.contested == frozenset()


def test_a_copy_of_the_joining_image_does_not_take_its_place() -> None:
    tie = int(PAST["phash"].iloc[4]) ^ 1
    found = related(rows(("x1", "p", tie), ("x2", "p", tie), ("x3", "p", tie)))
    assert found.left_out == {"x1", "x2", "x3"}
    assert found.places.contested == frozenset()


def test_past_images_that_tie_each_other_are_given_up_however_many() -> None:
    past = pd.concat([PAST, PAST.assign(split="train").iloc[4:5]], ignore_index=True)
    images = past.drop_duplicates("image_id", ignore_index=True)
    found = relate(images.drop(columns="split"), past, small_params("data.max_tied_images=0"))
    assert found.places.contested == {found.groups["q0"]}
    assert (len(found.ties), len(found.left_out)) == (0, 0)
