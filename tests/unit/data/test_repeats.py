import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.data.manifest import StoredImage
from ml.data.repeats import Repeats, find_repeats

LABELS = st.one_of(st.none(), st.sampled_from(["benign", "malignant"]))
PATIENTS = st.one_of(st.none(), st.sampled_from(["p", "q"]))
BENIGN = {"a": StoredImage("benign", None)}


def found(images, labels, stored=None, patients=None, **how) -> Repeats:
    rows = range(len(images))
    return find_repeats(images, labels, patients or [None for _ in rows], rows, stored or {}, **how)


def test_the_first_of_equal_images_counts() -> None:
    repeats = found(["a", "b", "a"], ["benign"] * 3)
    assert (repeats.repeated, repeats.contradicted) == ([2], [])


def test_an_image_that_is_stored_already_is_a_repeat() -> None:
    repeats = find_repeats(["a", "b"], ["benign", "normal"], [None, None], [4, 7], BENIGN)
    assert (repeats.repeated, repeats.contradicted) == ([4], [])


def test_another_label_for_the_same_pixels_is_a_contradiction() -> None:
    labels = ["benign", "malignant", "benign"]
    repeats = found(["a", "a", "a"], labels)
    assert (repeats.repeated, repeats.contradicted) == ([2], [1])
    assert found(["a"], ["normal"], BENIGN).contradicted == [0]


@pytest.mark.parametrize("stored", [{"a": StoredImage(None, "p")}, {}])
def test_a_label_that_comes_later_is_neither_repeat_nor_contradiction(stored: dict) -> None:
    repeats = found(["a", "a", "a"], [None, "benign", "normal"], stored)
    assert repeats.repeated == ([0] if stored else [])
    assert repeats.contradicted == [2]


def test_a_label_that_vanished_is_a_repeat() -> None:
    repeats = found(["a"], [None], BENIGN)
    assert (repeats.repeated, repeats.contradicted) == ([0], [])


def test_after_a_persons_decision_no_label_contradicts() -> None:
    repeats = found(["a"] * 2, ["normal", "benign"], BENIGN, settled={"a"})
    assert (repeats.contradicted, repeats.repeated) == ([], [0, 1])


@pytest.mark.parametrize("stored", [BENIGN, {}])
@pytest.mark.parametrize("label", ["benign", None])
def test_a_patient_who_comes_later_is_no_repeat(stored: dict, label: str | None) -> None:
    labels, patients = ["benign", label, "benign"], [None, "p", "p"]
    repeats = found(["a"] * 3, labels, stored, patients)
    assert repeats.repeated == ([0, 2] if stored else [2])
    assert repeats.contradicted == []


def test_of_two_patients_of_one_image_the_first_counts() -> None:
    stored = {"a": StoredImage("benign", "p")}
    assert found(["a"], ["benign"], stored, ["q"]).repeated == [0]


@given(st.lists(st.tuples(st.sampled_from("abc"), LABELS, PATIENTS), max_size=12))
def test_what_is_taken_gives_each_image_at_most_one_label_and_patient(images: list) -> None:
    ids, labels, patients = ([image[part] for image in images] for part in range(3))
    repeats = found(ids, labels, patients=patients)
    taken = set(range(len(ids))) - {*repeats.repeated, *repeats.contradicted}
    for image in set(ids):
        rows = [row for row in sorted(taken) if ids[row] == image]
        assert len({labels[row] for row in rows if labels[row]}) <= 1
        # Every row but the first brings something that was not known.
        assert 1 <= len(rows) <= 3
        known = next((patients[row] for row in rows if patients[row]), None)
        named = [row for row in range(len(ids)) if ids[row] == image and patients[row]]
        assert known == next((patients[r] for r in named if r not in repeats.contradicted), None)
