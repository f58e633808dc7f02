"""DICOM → DICOM without identifiers: the PS3.15 Basic Profile, applied as an allow-list."""

import math
from datetime import date
from typing import Any

import pydicom
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import get_expected_length
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, UID_dictionary
from pydicom.valuerep import DSfloat

from ml.contract.dicom.values import text
from ml.contract.errors import InputError
from ml.contract.quiet_dicom import quiet_dicom
from ml.data.codestream import UnknownCodestream, without_comments
from ml.data.deidentify import Deidentifier
from ml.data.dicom_allowed import ALLOWED, Allowed, AllowList
from ml.data.dicom_header import Header, header_of, mark_of

_METHOD = "PS3.15 Basic Profile, by allow-list"
_EMPTY = (
    "PatientName",
    "PatientBirthDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "SeriesNumber",
    "InstanceNumber",
)
_IMAGE_TYPES = (("ORIGINAL", "DERIVED"), ("PRIMARY", "SECONDARY"))


class CannotDeidentify(InputError):
    """A DICOM object cannot be written without what is unknown in it."""

    code = "cannot-deidentify"


def deidentify(dataset: Dataset, by: Deidentifier) -> Dataset:
    """A new dataset with what is on the allow-list (`ml.data.dicom_allowed`), and nothing else.

    Pixels decode as before. UIDs, patient id and dates are replaced by keyed ones, which are
    stable: the studies of a patient stay together, and so do the series of a study. Applying it
    again changes nothing. `save_as(target, enforce_file_format=True)` writes it.

    Args:
        dataset: as read from a file or received, with its `file_meta` (transfer syntax). It is not
            changed.
        by: holds the key.

    Raises:
        CannotDeidentify: the object is of a kind that the standard does not define, or lacks what
            a file must have, or holds text where its picture needs a number.
    """
    with quiet_dicom():
        header = header_of(dataset, by)
        clean = _allowed_part(dataset, ALLOWED)
        clean.file_meta = _file_meta(dataset, header)
        _clean_pixels(clean)
        _replace(clean, dataset, header)
        _declare(clean, by)
    return clean


def _allowed_part(dataset: Dataset, allow: AllowList) -> Dataset:
    kept = Dataset()
    for keyword, allowed in allow.items():
        if keyword not in dataset:
            continue
        try:
            element = _kept(keyword, dataset[keyword], allowed)
        except CannotDeidentify:
            raise
        except Exception:  # damaged values raise many types
            element = None
        if element is None and allowed.strict:
            raise _refused(keyword)
        if element is not None:
            kept.add(element)
    return kept


def _kept(keyword: str, element: DataElement, allowed: Allowed) -> DataElement | None:
    """The element written anew from its values; None if they are not of the allowed kind."""
    if allowed.kind == "items":
        items = [_allowed_part(item, allowed.items) for item in element.value or ()]
        return DataElement(element.tag, "SQ", Sequence(items))
    value, vr = element.value, _vr(keyword, element.VR)
    if allowed.kind == "term":
        value = str(value).strip()
        return DataElement(element.tag, vr, value) if value in allowed.terms else None
    if allowed.kind == "bytes" and isinstance(value, bytes):
        kept = DataElement(element.tag, vr, value)
        kept.is_undefined_length = element.is_undefined_length
        return kept
    if isinstance(value, bytes):
        return None
    return DataElement(element.tag, vr, _numbers(value, vr))


def _vr(keyword: str, found: str) -> str:
    """The found representation if the dictionary allows it, else the dictionary's first."""
    expected = dictionary_VR(keyword)
    return found if found in expected.split(" or ") else expected


def _numbers(value: object, vr: str) -> object:
    if value is None or value == "":
        return None
    if isinstance(value, pydicom.multival.MultiValue | list | tuple):
        return [_number(part, vr) for part in value]
    return _number(value, vr)


def _number(value: Any, vr: str) -> object:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a number")
    if vr == "DS":
        return DSfloat(number, auto_format=True)
    return number if vr in ("FD", "FL") else int(value)


def _refused(keyword: str) -> CannotDeidentify:
    return CannotDeidentify(
        f"The DICOM attribute {keyword} holds what it must not.",
        remedy="Export the object again from its source.",
    )


def _file_meta(dataset: Dataset, header: Header) -> FileMetaDataset:
    syntax = UID(text(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID") or "")
    sop_class = UID(text(dataset, "SOPClassUID") or "")
    if not syntax.is_transfer_syntax or syntax not in UID_dictionary:
        raise CannotDeidentify(
            "The DICOM object's transfer syntax is unknown.", remedy="Export it uncompressed."
        )
    if sop_class not in UID_dictionary or header.instance is None:
        raise CannotDeidentify(
            "The DICOM object is of no kind that the standard defines, or has no UID.",
            remedy="Export it as a standard image object.",
        )
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(header.instance)
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    return meta


def _clean_pixels(clean: Dataset) -> None:
    """Cut off what follows the last pixel, and blank what compressed frames say beside pixels."""
    if "PixelData" not in clean:
        return
    syntax = clean.file_meta.TransferSyntaxUID
    try:
        if syntax.is_encapsulated:
            frames = generate_frames(
                clean.PixelData, number_of_frames=int(clean.get("NumberOfFrames") or 1)
            )
            clean.PixelData = encapsulate([without_comments(frame, syntax) for frame in frames])
            clean["PixelData"].is_undefined_length = True
        else:
            length = get_expected_length(clean)
            clean.PixelData = clean.PixelData[: length + length % 2]
    except UnknownCodestream as error:
        raise CannotDeidentify(
            f"The compressed pixels may carry comments that cannot be found ({error}).",
            remedy="Export the object again, uncompressed.",
        ) from error
    except Exception:  # missing attributes and damaged frames raise many types
        raise _refused("PixelData") from None  # the cause may quote a value


def _replace(clean: Dataset, dataset: Dataset, header: Header) -> None:
    clean.SpecificCharacterSet = "ISO_IR 192"
    clean.SOPClassUID = clean.file_meta.MediaStorageSOPClassUID
    for keyword, uid in (
        ("SOPInstanceUID", header.instance),
        ("StudyInstanceUID", header.study),
        ("SeriesInstanceUID", header.series),
        ("FrameOfReferenceUID", header.frame_of_reference),
    ):
        if uid is not None:
            setattr(clean, keyword, UID(uid))
    clean.PatientID = header.patient or ""
    clean.PatientSex = header.sex or ""
    clean.StudyDate = _dicom_date(header.studied_on)
    for keyword in _EMPTY:
        clean.add_new(tag_for_keyword(keyword), dictionary_VR(keyword), None)
    if "Modality" not in clean:
        clean.Modality = "OT"
    if header.age is not None:
        clean.PatientAge = f"{header.age:03d}Y"
    if header.acquired_on is not None:
        clean.AcquisitionDate = _dicom_date(header.acquired_on)
    if header.scanner is not None:
        clean.ManufacturerModelName = header.scanner
    if image_type := _image_type(text(dataset, "ImageType") or ""):
        clean.ImageType = image_type


def _dicom_date(when: date | None) -> str:
    return f"{when:%Y%m%d}" if when else ""


def _image_type(value: str) -> list[str] | None:
    first = value.split("\\")[: len(_IMAGE_TYPES)]
    known = len(first) == len(_IMAGE_TYPES) and all(
        part in terms for part, terms in zip(first, _IMAGE_TYPES, strict=True)
    )
    return first if known else None


def _declare(clean: Dataset, by: Deidentifier) -> None:
    clean.PatientIdentityRemoved = "YES"
    dated = bool(clean.StudyDate or clean.get("AcquisitionDate"))
    clean.LongitudinalTemporalInformationModified = "MODIFIED" if dated else "REMOVED"
    clean.DeidentificationMethod = [_METHOD, mark_of(clean, by)]
    options = [
        codes.DCM.BasicApplicationConfidentialityProfile,
        codes.DCM.RetainPatientCharacteristicsOption,
    ]
    if dated:
        options.append(codes.DCM.RetainLongitudinalTemporalInformationModifiedDatesOption)
    clean.DeidentificationMethodCodeSequence = Sequence([_code_item(code) for code in options])


def _code_item(code: Any) -> Dataset:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item
