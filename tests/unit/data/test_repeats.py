from ml.data.repeats import find_repeats


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
