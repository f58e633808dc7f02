"""Pixels → bytes of an image file: PNG, JPEG or a made-up DICOM study."""

import io
from dataclasses import dataclass

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage

from ml.contract.decoding import MediaType, Pixels

SUFFIXES: dict[MediaType, str] = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/tiff": ".tif",
    "application/dicom": ".dcm",
}
_UID_ROOT = "2.25."  # UUID-derived identifiers need no registered root
_BIT_DEPTHS = (8, 12, 16)


@dataclass(frozen=True, slots=True)
class StudyHeader:
    """What a DICOM header says about a phantom. All of it is invented."""

    patient_id: str = "PHANTOM"
    age: int = 50
    sex: str = "F"
    manufacturer: str = "Phantom Medical"
    scanner: str = "Sonora A1"
    site: str = ""
    number: int = 0
    bits_stored: int = 8


def bits_for(number: int) -> int:
    """Bit depths take turns, so that a cohort holds 8-, 12- and 16-bit files."""
    return _BIT_DEPTHS[number % len(_BIT_DEPTHS)]


def encode(pixels: Pixels, media_type: MediaType, header: StudyHeader | None = None) -> bytes:
    """Encode grey pixels; the same input gives the same bytes."""
    if media_type == "application/dicom":
        return _encode_dicom(pixels, header or StudyHeader())
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if media_type == "image/png":
        image.save(buffer, "PNG", compress_level=1)
    elif media_type == "image/jpeg":
        image.save(buffer, "JPEG", quality=95)
    else:
        image.save(buffer, "TIFF")
    return buffer.getvalue()


def _encode_dicom(pixels: Pixels, header: StudyHeader) -> bytes:
    """MONOCHROME2, explicit VR little endian, uncompressed, `bits_stored` deep."""
    uid = f"{_UID_ROOT}{int.from_bytes(header.patient_id.encode()[:8], 'big')}{header.number:06d}"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = UltrasoundImageStorage
    dataset.SOPInstanceUID = uid
    dataset.StudyInstanceUID = uid + ".1"
    dataset.SeriesInstanceUID = uid + ".2"
    dataset.Modality = "US"
    dataset.BurnedInAnnotation = "NO"
    dataset.PatientID = header.patient_id
    dataset.PatientName = f"Phantom^{header.patient_id}"
    dataset.PatientAge = f"{header.age:03d}Y"
    dataset.PatientSex = header.sex
    dataset.Manufacturer = header.manufacturer
    dataset.ManufacturerModelName = header.scanner
    dataset.InstitutionName = header.site
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    allocated = 8 if header.bits_stored == 8 else 16
    dataset.BitsAllocated = allocated
    dataset.BitsStored = header.bits_stored
    dataset.HighBit = header.bits_stored - 1
    dataset.PixelRepresentation = 0
    dataset.PixelData = _stored_values(pixels, header.bits_stored).tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _stored_values(pixels: Pixels, bits_stored: int) -> np.ndarray:
    if bits_stored == 8:
        return pixels if pixels.size % 2 == 0 else np.append(pixels.ravel(), np.uint8(0))
    return (pixels.astype("<u2") << (bits_stored - 8)).astype("<u2")
