import numpy as np
import pandas as pd

from ml.data.appearance import appearance
from ml.data.batch_look_alikes import look_alike_warnings
from tests.unit.data.home import small_params

PARAMS = small_params()


def rows(*images: tuple[int, str | None, int]) -> pd.DataFrame:
    """Images by what they show, their label, and how much brighter they are."""
    found = []
    for number, (seed, label, brighter) in enumerate(images):
        coarse = np.random.default_rng(seed).integers(30, 200, (6, 6))
        pixels = (np.kron(coarse, np.ones((16, 16))) + brighter).astype(np.uint8)
        looks = appearance(pixels)
        found.append((f"{number:02d}", label, looks.phash, looks.descriptor))
    return pd.DataFrame(found, columns=["image_id", "label", "phash", "descriptor"])


def test_images_that_do_not_look_alike_are_nothing_to_tell() -> None:
    assert look_alike_warnings(rows((1, "benign", 0), (2, "benign", 0)), PARAMS) == []
    assert look_alike_warnings(rows(), PARAMS) == []


def test_look_alikes_are_counted_and_those_of_other_labels_told_apart() -> None:
    same = rows((1, "benign", 0), (1, "benign", 9), (2, "normal", 0))
    assert look_alike_warnings(same, PARAMS) == ["2 of 3 images look like others of this batch"]
    other = rows((1, "benign", 0), (1, "malignant", 9), (2, None, 0), (2, "normal", 5))
    assert look_alike_warnings(other, PARAMS) == [
        "4 of 4 images look like others of this batch",
        "2 of 4 images look like one of another label",
    ]


def test_an_image_that_is_listed_twice_is_no_look_alike() -> None:
    once = rows((1, "benign", 0))
    assert look_alike_warnings(pd.concat([once, once]), PARAMS) == []


def test_a_huge_batch_is_not_searched_here() -> None:
    frame = pd.DataFrame({"image_id": map(str, range(100_001)), "label": None})
    (told,) = look_alike_warnings(frame, PARAMS)
    assert "when a dataset is frozen" in told
