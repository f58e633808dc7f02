import numpy as np
import pytest
from PIL import Image

from ml.evaluation.gallery import Picture, Section, overlay, render_gallery, thumbnail


def picture(**changes: object) -> Picture:
    facts = {
        "image_id": "ab" * 32, "truth": "malignant", "answer": "benign", "probability": 0.91,
        "image": Image.new("RGB", (20, 10)), "maps": {},
    }  # fmt: skip
    return Picture(**{**facts, **changes})


@pytest.mark.parametrize(("shape", "size"), [((300, 600), (200, 100)), ((40, 20, 3), (20, 40))])
def test_a_thumbnail_keeps_proportions_and_never_grows(shape, size):
    image = thumbnail(np.zeros(shape, np.uint8))
    assert image.size == size
    assert image.mode == "RGB"


def test_the_image_shows_through_where_its_map_is_low():
    activation = np.array([[0.0, 0.0], [0.0, 9.0]], np.float32)
    image = Image.new("RGB", (64, 64), (60, 60, 60))
    blended = np.asarray(overlay(image, activation)).astype(int)
    assert (blended[0, 0] == 60).all()
    assert blended[-1, -1].max() > 150


def test_a_flat_map_changes_nothing():
    image = Image.new("RGB", (16, 16), (60, 60, 60))
    blended = np.asarray(overlay(image, np.full((2, 2), 3.0, np.float32)))
    assert (blended == 60).all()


def test_the_page_holds_every_picture_with_its_maps_and_warns_of_pixels():
    maps = {"benign": np.eye(3, dtype=np.float32), "malignant": np.ones((3, 3), np.float32)}
    page = render_gallery(
        "Gallery",
        "note",
        [
            Section("Wrong", "", [picture(maps=maps, facts=["referred: low <confidence>"])]),
            Section("Empty", "", []),
        ],
    )
    assert page.count("data:image/png") == 3
    assert "for malignant" in page
    assert "low &lt;confidence&gt;" in page
    assert "Pixels of patients" in page
    assert "<p>None.</p>" in page
    assert "http://" not in page
    assert "https://" not in page
