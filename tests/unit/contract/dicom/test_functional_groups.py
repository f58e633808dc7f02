"""Enhanced objects say window, rescaling and spacing frame by frame."""

import numpy as np
from pydicom import Dataset

from ml.contract.decoding import DecodeLimits, decode
from tests.fakes.dicom_files import dicom_file
from tests.unit.contract.dicom.pictures import DEEP, GREY

_FIRST, _MIDDLE = DecodeLimits(frames="first"), DecodeLimits(frames="middle")


def item(**elements: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def window(centre: float, width: float) -> Dataset:
    return item(FrameVOILUTSequence=[item(WindowCenter=centre, WindowWidth=width)])


def test_each_frame_has_its_own_window() -> None:
    frames = [window(1000, 500), window(3000, 500)]
    file = dicom_file(DEEP, DEEP, bits=12, PerFrameFunctionalGroupsSequence=frames)
    for limits, centre in ((_FIRST, 1000), (_MIDDLE, 3000)):
        alone = decode(dicom_file(DEEP, bits=12, WindowCenter=centre, WindowWidth=500))
        assert np.array_equal(decode(file, limits).pixels, alone.pixels)


def test_what_frames_share_holds_where_they_say_nothing() -> None:
    shared = window(1000, 500)
    shared.PixelValueTransformationSequence = [item(RescaleSlope=2, RescaleIntercept=-100)]
    shared.PixelMeasuresSequence = [item(PixelSpacing=[2, 1])]
    file = dicom_file(
        DEEP,
        DEEP,
        bits=12,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=[item(), window(3000, 700)],
    )
    for limits, centre, width in ((_FIRST, 1000, 500), (_MIDDLE, 3000, 700)):
        alone = dicom_file(
            DEEP,
            bits=12,
            WindowCenter=centre,
            WindowWidth=width,
            RescaleSlope=2,
            RescaleIntercept=-100,
            PixelSpacing=[2, 1],
        )
        assert np.array_equal(decode(file, limits).pixels, decode(alone).pixels)


def test_groups_of_other_frames_say_nothing() -> None:
    file = dicom_file(GREY, GREY, PerFrameFunctionalGroupsSequence=[window(10, 2)])
    assert np.array_equal(decode(file, _MIDDLE).pixels, GREY)
