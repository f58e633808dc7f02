"""What fuzzing and reading found, replayed without the fuzzer."""

import io
from contextlib import suppress

import numpy as np
import pydicom
import pytest
from PIL import Image

from ml.contract.decoding import DecodeLimits, decode
from ml.contract.errors import ImageTooLarge, UnreadableImage, UnsupportedImage
from tests.fuzz.seeds import SEEDS
from tests.serving.images import dicom, encoded, rle_bomb


def float_tiff(*values: float) -> bytes:
    return encoded(Image.fromarray(np.array([values] * 8, np.float32)), "TIFF")


def dicom_with_slope(slope: str) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(dicom()))
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, "0"
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset)
    return file.getvalue()


def test_floats_within_a_range_are_stretched():
    assert decode(float_tiff(-1.0, 0.0, 1.0)).pixels[0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    "data",
    [float_tiff(0.0, float("nan")), dicom_with_slope("1e-320"), dicom_with_slope("1e308")],
    ids=["not a number", "too narrow to scale", "too wide to scale"],
)
def test_values_that_cannot_be_scaled_are_refused(data):
    with pytest.raises(UnreadableImage):
        decode(data)


def test_a_run_length_bomb_is_refused_before_it_is_unpacked():
    with pytest.raises(UnreadableImage, match="larger than the header says"):
        decode(rle_bomb())


@pytest.mark.parametrize("name", SEEDS)
def test_a_seed_cut_anywhere_is_decoded_or_refused(name):
    data = SEEDS[name]
    for end in range(0, len(data), max(1, len(data) // 40)):
        with suppress(ImageTooLarge, UnreadableImage, UnsupportedImage):
            decode(data[:end], DecodeLimits(max_pixels=2**18))
