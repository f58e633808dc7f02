"""A finding as a picture that any viewer shows: DICOM Secondary Capture (PS3.3, A.8)."""

from highdicom.enum import CoordinateSystemNames
from highdicom.sc import SCImage
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from ml.contract.decoding import Pixels
from ml.pacs.names import (
    MANUFACTURER,
    SERIES_DESCRIPTION,
    WARNING,
    algorithm,
    place_of,
    repeatable_uid,
    software,
)
from ml.pacs.picture import draw_finding
from ml.pacs.results import ImageFinding

_SERIES_NUMBER = 9002


def build_capture(
    header: Dataset, pixels: Pixels, finding: ImageFinding, *, number: int
) -> Dataset:
    """The image with its heat map beside it, under a banner that says what was found.

    Another model's answer is another capture; the same model's is the same.

    Args:
        header: the image's own, whose patient and study the capture belongs to.
        pixels: uint8, (height, width) or (height, width, 3), as the model saw them.
        number: of the capture among those of its study.
    """
    study, source = str(header.StudyInstanceUID), finding.sop_instance_uid
    capture = SCImage.from_ref_dataset(
        header,
        pixel_array=draw_finding(pixels, finding, of=place_of(header)),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        # It must name one; what the image itself says of it takes its place below.
        patient_orientation=("L", "F"),
        series_instance_uid=repeatable_uid("capture series", [study]),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=repeatable_uid("capture", [study, source, finding.bundle]),
        instance_number=number,
        manufacturer=MANUFACTURER,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    # Two pictures side by side have no orientation in common with a patient.
    capture.PatientOrientation = []
    capture.SeriesDescription = SERIES_DESCRIPTION
    capture.ManufacturerModelName = algorithm(finding.model)
    capture.SoftwareVersions = finding.version
    # What is burned into the image is burned into its picture.
    if "BurnedInAnnotation" in header:
        capture.BurnedInAnnotation = header.BurnedInAnnotation
    capture.DerivationDescription = (
        f"{software(finding.model, finding.version)}, bundle {finding.bundle[:12]}, {WARNING}"
    )
    original = Dataset()
    original.ReferencedSOPClassUID = header.SOPClassUID
    original.ReferencedSOPInstanceUID = source
    capture.SourceImageSequence = [original]
    return capture
