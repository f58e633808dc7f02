import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from ml.data.burned_in import Annotation, BurnedInText, annotation_of, without_text
from ml.data.deidentify import Deidentifier
from ml.data.dicom_profile import deidentify
from tests.unit.data.test_dicom_profile import study

PIXELS = np.full((60, 80), 200, np.uint8)


def header(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in {"Rows": 60, "Columns": 80, **values}.items():
        setattr(dataset, keyword, value)
    return dataset


def region(x0: int, y0: int, x1: int, y1: int) -> Dataset:
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0 = x0, y0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x1, y1
    return item


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"BurnedInAnnotation": "YES", "Modality": "MG"}, "declared"),
        ({"BurnedInAnnotation": "NO", "Modality": "US"}, "none"),
        ({"Modality": "US"}, "suspected"),
        ({"Modality": "US", "BurnedInAnnotation": ""}, "suspected"),
        ({"SOPClassUID": UltrasoundImageStorage, "Modality": "US"}, "suspected"),
        ({"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "MG"}, "suspected"),
        ({"SOPClassUID": DigitalXRayImageStorageForPresentation, "Modality": "DX"}, "none"),
        ({"Modality": "CR", "ConversionType": "DF"}, "suspected"),
        ({"Modality": "CT"}, "none"),
        ({}, "none"),
    ],
)
def test_tag_and_kind_of_image_say_whether_text_is_to_be_expected(
    values: dict[str, object], text: str
) -> None:
    assert annotation_of(header(**values)).text == text


@pytest.mark.parametrize("text", ["declared", "suspected"])
def test_images_with_text_are_refused_or_accepted_by_policy(text: str) -> None:
    annotation = Annotation(text=text)  # type: ignore[arg-type]
    with pytest.raises(BurnedInText) as refused:
        without_text(PIXELS, annotation, "refuse")
    assert refused.value.code == "burned-in-text"
    assert without_text(PIXELS, annotation, "accept") == (PIXELS, False)


@pytest.mark.parametrize("policy", ["refuse", "mask", "accept"])
def test_an_image_without_text_stays_as_it_is(policy: str) -> None:
    kept, masked = without_text(PIXELS, Annotation(), policy)  # type: ignore[arg-type]
    assert kept is PIXELS
    assert not masked


def test_masking_blackens_all_outside_the_regions_and_nothing_inside() -> None:
    regions = Sequence([region(10, 20, 49, 39), region(60, 0, 79, 9)])
    annotation = annotation_of(header(Modality="US", SequenceOfUltrasoundRegions=regions))
    kept, masked = without_text(PIXELS, annotation, "mask")
    assert masked
    assert (kept[20:40, 10:50] == 200).all()
    assert (kept[0:10, 60:80] == 200).all()
    assert np.count_nonzero(kept) == 20 * 40 + 10 * 20
    assert (PIXELS == 200).all()


def test_regions_follow_a_picture_that_was_rescaled() -> None:
    annotation = Annotation("declared", ((10, 20, 49, 39),), rows=60, columns=80)
    kept, _ = without_text(np.full((120, 80, 3), 9, np.uint8), annotation, "mask")
    assert (kept[40:80, 10:50] == 9).all()
    assert np.count_nonzero(kept) == 40 * 40 * 3


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.tuples(*[st.integers(0, 90)] * 4).filter(lambda r: r[0] < r[2] and r[1] < r[3]),
)
def test_masking_never_keeps_a_pixel_outside_whatever_the_scale(
    height: int, width: int, corners: tuple[int, int, int, int]
) -> None:
    annotation = Annotation("declared", (corners,), rows=100, columns=100)
    pixels = np.ones((height, width), np.uint8)
    kept, _ = without_text(pixels, annotation, "mask")
    rows, columns = np.nonzero(kept)
    x0, y0, x1, y1 = corners
    assert (rows * 100 >= y0 * height).all()
    assert ((rows + 1) * 100 <= (y1 + 1) * height).all()
    assert (columns * 100 >= x0 * width).all()
    assert ((columns + 1) * 100 <= (x1 + 1) * width).all()


@pytest.mark.parametrize(
    "regions",
    [
        [],
        [region(0, 0, 79, 59)],  # the text must be inside
        [region(50, 20, 10, 39)],  # ends before it begins
    ],
)
def test_what_cannot_be_masked_is_refused(regions: list[Dataset]) -> None:
    values = {"BurnedInAnnotation": "YES", "SequenceOfUltrasoundRegions": Sequence(regions)}
    with pytest.raises(BurnedInText, match="No region tells"):
        without_text(PIXELS, annotation_of(header(**values)), "mask")


def test_damaged_values_count_as_missing() -> None:
    dataset = header(Modality="US")
    dataset.add_new("RegionLocationMinX0", "LO", "left")
    dataset.add_new("SequenceOfUltrasoundRegions", "LO", "none")
    dataset.add_new("Rows", "LO", "many")
    assert annotation_of(dataset) == Annotation("suspected", (), rows=0, columns=80)


def test_a_de_identified_object_is_judged_as_its_source() -> None:
    regions = Sequence([region(4, 4, 30, 30)])
    source = study(BurnedInAnnotation="YES", SequenceOfUltrasoundRegions=regions)
    clean = deidentify(source, Deidentifier(b"key"))
    assert annotation_of(clean) == annotation_of(source)
    assert annotation_of(clean).regions == ((4, 4, 30, 30),)
