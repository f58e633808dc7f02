import base64
import io

import numpy as np
import pytest
from PIL import Image

from serving.preview import needs_preview, preview_uri
from tests.fakes.tiny_bundle import tiny_pixels
from tests.serving.images import dicom, encoded, png


def opened(uri: str) -> Image.Image:
    head, data = uri.split(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 3)])
def test_a_preview_looks_like_its_image(shape):
    ramp = np.broadcast_to(np.linspace(0, 255, 64)[None, :, None], (48, 64, 3))
    pixels = np.ascontiguousarray(ramp if len(shape) == 3 else ramp[..., 0]).astype(np.uint8)
    shown = np.asarray(opened(preview_uri(pixels)).convert("L")).astype(int)
    assert shown.shape == (48, 64)
    assert np.abs(shown - ramp[..., 0]).mean() < 3


def test_a_large_image_gets_a_bounded_preview_of_its_shape():
    assert opened(preview_uri(np.zeros((1000, 2000), np.uint8))).size == (640, 320)


def test_only_what_browsers_cannot_show_needs_one():
    assert needs_preview("application/dicom")
    assert needs_preview("image/tiff")
    assert not any(map(needs_preview, ("image/png", "image/jpeg", None)))


def test_an_explained_answer_carries_a_preview_of_dicom_and_tiff_alone(shared_client):
    tiff = encoded(Image.fromarray(tiny_pixels()), "TIFF")
    for data, explain, expected in (
        (dicom(), True, True),
        (tiff, True, True),
        (dicom(), False, False),
        (png(), True, False),
    ):
        answer = shared_client.post(f"/predict?explain={explain}", files={"file": data})
        assert answer.status_code == 200
        assert ("preview" in answer.json()) is expected
