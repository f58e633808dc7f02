"""What an enhanced multi-frame object says of one frame, where single-frame objects say it."""

from collections.abc import Iterator

import pydicom

_MACROS = {
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction"),
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope"),
    "PixelMeasuresSequence": ("PixelSpacing",),
}


def apply_functional_groups(dataset: pydicom.Dataset, index: int) -> None:
    """Copy window, rescaling and spacing of the frame (PS3.3, C.7.6.16) to the top of `dataset`.

    The frame's own groups rule over the shared ones.
    """
    for group in _groups(dataset, index):
        for macro, keywords in _MACROS.items():
            for item in group.get(macro) or ():
                for keyword in keywords:
                    if keyword in item:
                        dataset[keyword] = item[keyword]


def _groups(dataset: pydicom.Dataset, index: int) -> Iterator[pydicom.Dataset]:
    for keyword, position in (
        ("SharedFunctionalGroupsSequence", 0),
        ("PerFrameFunctionalGroupsSequence", index),
    ):
        items = dataset.get(keyword) or ()
        if position < len(items):
            yield items[position]
