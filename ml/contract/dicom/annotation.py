"""What a DICOM header says of text in its pixels."""

from typing import Literal

from pydicom import Dataset
from pydicom.uid import UID

from ml.contract.dicom.values import text

TextVerdict = Literal["none", "suspected", "declared"]

# Their pictures come from a screen, a film or a camera, with whatever was shown there.
_CAPTURED = "Secondary Capture"
_CAPTURING_MODALITIES = frozenset({"US", "IVUS", "ES", "GM", "XC", "OT"})


def text_verdict(dataset: Dataset) -> TextVerdict:
    """`declared` by BurnedInAnnotation YES; `suspected` of kinds of images that usually carry text
    and do not say NO. Unreadable values count as missing."""
    said = text(dataset, "BurnedInAnnotation")
    if said == "NO":
        return "none"
    if said == "YES":
        return "declared"
    captured = (
        _CAPTURED in UID(text(dataset, "SOPClassUID") or "").name
        or text(dataset, "Modality") in _CAPTURING_MODALITIES
        or text(dataset, "ConversionType") is not None
    )
    return "suspected" if captured else "none"
