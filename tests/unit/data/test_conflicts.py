import numpy as np
import pandas as pd

from ml.data.conflicts import Reviewed, label_conflicts


def frame(*labels: str) -> pd.DataFrame:
    return pd.DataFrame({"image_id": [f"{n:02d}" for n in range(len(labels))], "label": labels})


def test_images_of_groups_with_several_labels_are_told_with_the_others() -> None:
    images = frame("benign", "malignant", "normal", "benign", "normal")
    found = label_conflicts(images, np.array([0, 0, 1, 0, 1]))
    assert found.to_dict("records") == [
        {"image_id": "00", "label": "benign", "others": "malignant", "images": 3},
        {"image_id": "01", "label": "malignant", "others": "benign", "images": 3},
        {"image_id": "03", "label": "benign", "others": "malignant", "images": 3},
    ]


def test_three_labels_each_name_the_two_others() -> None:
    found = label_conflicts(frame("normal", "malignant", "benign"), np.zeros(3, np.int64))
    assert found["others"].tolist() == ["benign, malignant", "benign, normal", "malignant, normal"]


def test_groups_of_one_label_and_images_without_one_are_no_conflict() -> None:
    images = frame("benign", "benign", "normal")
    assert label_conflicts(images, np.array([0, 0, 1])).empty
    unlabelled = images.assign(label=["benign", None, None])
    assert label_conflicts(unlabelled, np.zeros(3, np.int64)).empty


def test_an_image_that_was_delivered_with_another_label_too_is_a_conflict() -> None:
    other = {"00": frozenset({"malignant"}), "01": frozenset({"normal"})}
    found = label_conflicts(frame("benign", "benign", "normal"), np.array([0, 0, 1]), other)
    assert found.to_dict("records") == [
        {"image_id": "00", "label": "benign", "others": "malignant", "images": 2},
        {"image_id": "01", "label": "benign", "others": "normal", "images": 2},
    ]
    decided = frame("malignant", "benign", "normal")
    assert label_conflicts(decided, np.arange(3), {"00": frozenset({"malignant"})}).empty


def test_what_was_kept_is_settled_until_another_label_disputes_it() -> None:
    conflicts = label_conflicts(frame("benign", "malignant"), np.zeros(2, np.int64))
    reviewed = Reviewed(settled=frozenset({("00", "benign", "malignant")}))
    assert reviewed.undecided(conflicts)["image_id"].tolist() == ["01"]
    more = label_conflicts(frame("benign", "malignant", "normal"), np.zeros(3, np.int64))
    assert reviewed.undecided(more)["image_id"].tolist() == ["00", "01", "02"]
    assert reviewed.undecided(conflicts.iloc[:0]).empty


def test_images_whose_label_a_person_gave_or_kept_are_known() -> None:
    reviewed = Reviewed({"01": "normal"}, frozenset({("00", "benign", "malignant")}))
    assert reviewed.images == {"00", "01"}
