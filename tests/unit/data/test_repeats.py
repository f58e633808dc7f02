import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.data.repeats import find_repeats

LABELS = st.one_of(st.none(), st.sampled_from(["benign", "malignant"]))


def test_the_first_of_equal_images_counts() -> None:
    repeats = find_repeats(["a", "b", "a"], ["benign"] * 3, [0, 1, 2], {})
    assert (repeats.repeated, repeats.contradicted) == ([2], [])


def test_an_image_that_is_stored_already_is_a_repeat() -> None:
    repeats = find_repeats(["a", "b"], ["benign", "normal"], [4, 7], {"a": "benign"})
    assert (repeats.repeated, repeats.contradicted) == ([4], [])


def test_another_label_for_the_same_pixels_is_a_contradiction() -> None:
    labels = ["benign", "malignant", "benign"]
    repeats = find_repeats(["a", "a", "a"], labels, [0, 1, 2], {})
    assert (repeats.repeated, repeats.contradicted) == ([2], [1])
    assert find_repeats(["a"], ["normal"], [0], {"a": "benign"}).contradicted == [0]


@pytest.mark.parametrize("stored", [{"a": None}, {}])
def test_a_label_that_comes_later_is_neither_repeat_nor_contradiction(stored: dict) -> None:
    repeats = find_repeats(["a", "a", "a"], [None, "benign", "normal"], [0, 1, 2], stored)
    assert repeats.repeated == ([0] if stored else [])
    assert repeats.contradicted == [2]


def test_a_label_that_vanished_is_a_repeat() -> None:
    repeats = find_repeats(["a"], [None], [0], {"a": "benign"})
    assert (repeats.repeated, repeats.contradicted) == ([0], [])


def test_after_a_persons_decision_no_label_contradicts() -> None:
    labels, stored = ["normal", "benign"], {"a": "benign"}
    repeats = find_repeats(["a"] * 2, labels, [0, 1], stored, settled={"a"})
    assert (repeats.contradicted, repeats.repeated) == ([], [0, 1])


@given(st.lists(st.tuples(st.sampled_from("abc"), LABELS), max_size=12))
def test_what_is_taken_gives_each_image_at_most_one_label(images: list) -> None:
    ids, labels = [image for image, _ in images], [label for _, label in images]
    repeats = find_repeats(ids, labels, range(len(ids)), {})
    taken = set(range(len(ids))) - {*repeats.repeated, *repeats.contradicted}
    for image in set(ids):
        given_labels = [labels[row] for row in taken if ids[row] == image]
        assert len({label for label in given_labels if label}) <= 1
        assert len(given_labels) == len(set(given_labels)) >= 1
