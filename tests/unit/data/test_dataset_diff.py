import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ml.data.dataset_diff import diff_datasets

NAMES = ("a", "b")


def rows(*images: tuple[str, str, str, str], site: str = "north") -> pd.DataFrame:
    frame = pd.DataFrame(images, columns=["image_id", "label", "group", "split"])
    return frame.assign(site=site, scanner=None, media_type="image/png")


OLD = rows(
    ("1", "benign", "g1", "train"),
    ("2", "benign", "g1", "train"),
    ("3", "malignant", "g2", "test"),
    ("4", "normal", "g3", "validation"),
)


def test_a_dataset_does_not_differ_from_itself() -> None:
    found = diff_datasets(NAMES, OLD, OLD)
    assert (found.added, found.removed, found.relabelled_images, found.regrouped) == (0, 0, 0, 0)
    assert found.moved == {}
    assert found.counts["split"] == {"train": (2, 2), "validation": (1, 1), "test": (1, 1)}
    assert found.counts["scanner"] == {"unknown": (4, 4)}


def test_added_removed_relabelled_and_moved_images_are_told_apart() -> None:
    new = rows(
        ("1", "malignant", "g1", "train"),
        ("3", "malignant", "g2", "train"),
        ("4", "normal", "g3", "validation"),
        ("5", "normal", "g4", "test"),
        site="south",
    )
    found = diff_datasets(NAMES, OLD, new)
    assert (found.added, found.removed) == (1, 1)
    assert [(item.image_id, item.before, item.after) for item in found.relabelled] == [
        ("1", "benign", "malignant")
    ]
    assert found.moved == {"test → train": 1}
    assert found.test_touched == 1
    assert found.counts["site"] == {"north": (4, 0), "south": (0, 4)}
    assert found.counts["label"]["malignant"] == (1, 2)


def test_groups_that_joined_or_fell_apart_are_counted_whatever_they_are_called() -> None:
    renamed = OLD.assign(group=OLD["group"].map({"g1": "x", "g2": "y", "g3": "z"}))
    assert diff_datasets(NAMES, OLD, renamed).regrouped == 0
    joined = OLD.assign(group=["g1", "g1", "g1", "g3"])
    assert diff_datasets(NAMES, OLD, joined).regrouped == 3
    apart = OLD.assign(group=["g1", "g9", "g2", "g3"])
    assert diff_datasets(NAMES, OLD, apart).regrouped == 2


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_what_was_added_and_removed_adds_up(old: set[int], new: set[int]) -> None:
    frames = [
        rows(*((f"{n:02d}", "benign", f"g{n}", "train") for n in sorted(images)))
        for images in (old, new)
    ]
    found = diff_datasets(NAMES, *frames)
    assert found.images_before - found.removed + found.added == found.images_after
    assert (found.added, found.removed) == (len(new - old), len(old - new))


def test_parameters_that_differ_are_told_by_name_where_both_are_known() -> None:
    old = {"seed": 20, "split": {"train": 0.7, "test": 0.15}, "labels": ["benign"]}
    new = {"seed": 20, "split": {"train": 0.6, "test": 0.15}, "labels": ["benign"], "shards": 2}
    found = diff_datasets(NAMES, OLD, OLD, parameters=(old, new))
    assert found.parameters == {"shards": (None, 2), "split.train": (0.7, 0.6)}
    assert diff_datasets(NAMES, OLD, OLD, parameters=({}, new)).parameters == {}
