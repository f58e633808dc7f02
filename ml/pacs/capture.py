"""A finding as a picture that any viewer shows: DICOM Secondary Capture (PS3.3, A.8)."""

import io

import numpy as np
import numpy.typing as npt
from highdicom.enum import CoordinateSystemNames
from highdicom.sc import SCImage
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset

from ml.contract.decoding import Pixels
from ml.pacs.names import MANUFACTURER, SERIES_DESCRIPTION, WARNING, repeatable_uid
from ml.pacs.results import ImageFinding

_SERIES_NUMBER = 9002
_LEAST_WIDTH = 360
_LINES, _TEXT_SHARE = 3, 0.055
_HEAT_SHARE = 0.4


def build_capture(
    header: Dataset, pixels: Pixels, finding: ImageFinding, *, number: int
) -> Dataset:
    """The image with its heat map under a banner that says what was found and what it is not.

    Args:
        header: the image's own, whose patient and study the capture belongs to.
        pixels: uint8, (height, width) or (height, width, 3), as the model saw them.
        number: of the capture among those of its study.
    """
    study, source = str(header.StudyInstanceUID), finding.sop_instance_uid
    capture = SCImage.from_ref_dataset(
        header,
        pixel_array=draw_finding(pixels, finding),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        # It must name one; what the image itself says of it takes its place below.
        patient_orientation=("L", "F"),
        series_instance_uid=repeatable_uid("capture series", [study]),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=repeatable_uid("capture", [study, source]),
        instance_number=number,
        manufacturer=MANUFACTURER,
    )
    capture.PatientOrientation = header.get("PatientOrientation")
    capture.SeriesDescription = SERIES_DESCRIPTION
    # What is burned into the image is burned into its picture.
    if "BurnedInAnnotation" in header:
        capture.BurnedInAnnotation = header.BurnedInAnnotation
    capture.DerivationDescription = (
        f"{finding.model} {finding.version}, bundle {finding.bundle[:12]}, {WARNING}"
    )
    return capture


def draw_finding(pixels: Pixels, finding: ImageFinding) -> npt.NDArray[np.uint8]:
    """The picture, uint8 RGB (height, width, 3); small images are enlarged to carry the text."""
    image = Image.fromarray(pixels).convert("RGB")
    if finding.heat_map is not None:
        heat = Image.open(io.BytesIO(finding.heat_map)).convert("RGBA").resize(image.size)
        heat.putalpha(heat.getchannel("A").point(lambda value: int(_HEAT_SHARE * value)))
        image.paste(heat, mask=heat)
    if image.width < _LEAST_WIDTH:
        image = image.resize((_LEAST_WIDTH, round(image.height * _LEAST_WIDTH / image.width)))
    size = max(12.0, _TEXT_SHARE * image.width)
    font = ImageFont.load_default(size=size)
    line = round(1.4 * size)
    picture = Image.new("RGB", (image.width, image.height + _LINES * line + line // 2))
    picture.paste(image, (0, _LINES * line + line // 2))
    draw = ImageDraw.Draw(picture)
    share = finding.probabilities[finding.label]
    for row, (text, colour) in enumerate(
        (
            (WARNING, "#ffb000"),
            (f"{finding.label} {share:.0%}, {finding.decision}", "white"),
            (f"{MANUFACTURER}, version {finding.version}", "#b0b0b0"),
        )
    ):
        draw.text((line // 3, line // 4 + row * line), text, fill=colour, font=font)
    return np.asarray(picture)
