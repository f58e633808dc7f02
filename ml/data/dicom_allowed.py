"""The allow-list of DICOM de-identification: every attribute that may stay as it is, and why.

What is not named here is removed or replaced. A value stays only if it is what its kind says: a
number, bytes of an image or table, one of the listed terms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Kind = Literal["number", "bytes", "term", "items"]


@dataclass(frozen=True, slots=True)
class Allowed:
    """One attribute that may stay: which `terms` it may hold, or what its `items` may hold.

    A value that is not of its kind is left out; where `strict`, the whole object is refused, since
    without it the picture would be another.
    """

    kind: Kind
    strict: bool
    terms: frozenset[str] = frozenset()
    items: Mapping[str, "Allowed"] = field(default_factory=lambda: MappingProxyType({}))


AllowList = Mapping[str, Allowed]
"""Attribute keyword (PS3.6) → what it may hold."""


@dataclass(frozen=True, slots=True)
class Group:
    """Attributes that stay for one reason."""

    title: str
    reason: str
    allowed: AllowList


def _numbers(keywords: str, *, strict: bool = True) -> AllowList:
    return dict.fromkeys(keywords.split(), Allowed("number", strict))


def _bytes(keywords: str) -> AllowList:
    return dict.fromkeys(keywords.split(), Allowed("bytes", strict=True))


def _term(keyword: str, terms: str, *, strict: bool = False) -> AllowList:
    return {keyword: Allowed("term", strict, terms=frozenset(terms.split(", ")))}


def _items(keyword: str, allowed: AllowList) -> AllowList:
    return {keyword: Allowed("items", strict=True, items=allowed)}


_WINDOW = {
    **_numbers("WindowCenter WindowWidth"),
    **_term("VOILUTFunction", "LINEAR, LINEAR_EXACT, SIGMOID", strict=True),
}
_RESCALE = {
    **_numbers("RescaleIntercept RescaleSlope"),
    **_term("RescaleType", "HU, US, OD, MGML, Z_EFF, ED, EDW, HU_MOD, PCT"),
}
_LUT = {**_numbers("LUTDescriptor"), **_bytes("LUTData")}
_FRAME = {
    **_items("PixelMeasuresSequence", _numbers("PixelSpacing SliceThickness", strict=False)),
    **_items("FrameVOILUTSequence", _WINDOW),
    **_items("PixelValueTransformationSequence", _RESCALE),
}
_PHOTOMETRIC = (
    "MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB, YBR_FULL, YBR_FULL_422, YBR_ICT, YBR_RCT, "
    "YBR_PARTIAL_420"
)
_MODALITIES = (
    "AR, AU, BDUS, BI, BMD, CFM, CR, CT, DG, DX, DMS, ECG, ES, FA, GM, HD, IO, IVOCT, IVUS, KER, "
    "LS, MG, MR, NM, OAM, OCT, OP, OPM, OPR, OPT, OPTBSV, OPTENF, OPV, OSS, OT, PA, PT, PX, RF, "
    "RG, SM, SMR, SRF, TG, US, VA, XA, XC"
)
_BODY_PARTS = (
    "ABDOMEN, ABDOMENPELVIS, ANKLE, AORTA, ARM, AXILLA, BACK, BLADDER, BRAIN, BREAST, BRONCHUS, "
    "BUTTOCK, CALF, CAROTID, CEREBELLUM, CERVIX, CHEST, CHESTABDOMEN, CHESTABDPELVIS, CHEEK, "
    "CLAVICLE, COCCYX, COLON, CORNEA, CSPINE, DUODENUM, EAR, ELBOW, ESOPHAGUS, EXTREMITY, EYE, "
    "FINGER, FOOT, FOREARM, GALLBLADDER, HAND, HEAD, HEADNECK, HEART, HIP, HUMERUS, ILEUM, ILIUM, "
    "JAW, JEJUNUM, KIDNEY, KNEE, LARYNX, LEG, LIVER, LSPINE, LUNG, MANDIBLE, MAXILLA, "
    "MEDIASTINUM, MOUTH, NECK, NECKCHEST, NOSE, ORBIT, OVARY, PANCREAS, PAROTID, PATELLA, PELVIS, "
    "PENIS, PHARYNX, PROSTATE, RECTUM, RIB, SACRUM, SCALP, SCAPULA, SCLERA, SCROTUM, SHOULDER, "
    "SKULL, SPINE, SPLEEN, SSPINE, STERNUM, STOMACH, TESTIS, THIGH, THORAX, THUMB, THYMUS, "
    "THYROID, TOE, TONGUE, TRACHEA, TSPINE, URETER, URETHRA, UTERUS, VAGINA, VULVA, WHOLEBODY, "
    "WRIST, ZYGOMA"
)
_VIEWS = (
    "AP, PA, LL, RL, RLD, LLD, RLO, LLO, CC, MLO, ML, LM, LMO, LATERAL, OBLIQUE, SIO, FB, XCC, "
    "XCCL, XCCM, CV, AT, RM, RI, RS, TAN"
)

GROUPS = (
    Group(
        "Pixels",
        "Decoding needs them.",
        {
            **_numbers(
                "SamplesPerPixel PlanarConfiguration NumberOfFrames Rows Columns BitsAllocated "
                "BitsStored HighBit PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit "
                "FloatPixelPaddingValue FloatPixelPaddingRangeLimit DoubleFloatPixelPaddingValue "
                "DoubleFloatPixelPaddingRangeLimit"
            ),
            **_term("PhotometricInterpretation", _PHOTOMETRIC, strict=True),
            **_bytes("PixelData FloatPixelData DoubleFloatPixelData"),
        },
    ),
    Group(
        "Grey values and colours",
        "Stored values become the picture that a person would see.",
        {
            **_RESCALE,
            **_WINDOW,
            **_items("ModalityLUTSequence", _LUT),
            **_items("VOILUTSequence", _LUT),
            **_term("PresentationLUTShape", "IDENTITY, INVERSE", strict=True),
            **_numbers(
                "RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor "
                "BluePaletteColorLookupTableDescriptor AlphaPaletteColorLookupTableDescriptor"
            ),
            **_bytes(
                "RedPaletteColorLookupTableData GreenPaletteColorLookupTableData "
                "BluePaletteColorLookupTableData AlphaPaletteColorLookupTableData "
                "SegmentedRedPaletteColorLookupTableData "
                "SegmentedGreenPaletteColorLookupTableData "
                "SegmentedBluePaletteColorLookupTableData"
            ),
        },
    ),
    Group(
        "Values per frame",
        "Enhanced objects say window, rescaling and spacing there.",
        {
            **_items("SharedFunctionalGroupsSequence", _FRAME),
            **_items("PerFrameFunctionalGroupsSequence", _FRAME),
        },
    ),
    Group(
        "Geometry",
        "Pixels that are not square are made so; sizes in millimetres can be read.",
        {
            **_numbers("PixelAspectRatio"),
            **_numbers(
                "PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing SliceThickness "
                "EstimatedRadiographicMagnificationFactor",
                strict=False,
            ),
            **_items(
                "SequenceOfUltrasoundRegions",
                _numbers(
                    "RegionSpatialFormat RegionDataType RegionFlags RegionLocationMinX0 "
                    "RegionLocationMinY0 RegionLocationMaxX1 RegionLocationMaxY1 "
                    "PhysicalUnitsXDirection PhysicalUnitsYDirection PhysicalDeltaX PhysicalDeltaY"
                ),
            ),
        },
    ),
    Group(
        "What kind of image it is",
        "Burned-in text is judged by it, and models are compared over it.",
        {
            **_term("Modality", _MODALITIES),
            **_term("ConversionType", "DV, DI, DF, WSD, SD, SI, DRW, SYN"),
            **_term("BurnedInAnnotation", "YES, NO"),
            **_term("RecognizableVisualFeatures", "YES, NO"),
            **_term("PresentationIntentType", "FOR PRESENTATION, FOR PROCESSING"),
            **_term("LossyImageCompression", "00, 01"),
            **_numbers("LossyImageCompressionRatio", strict=False),
            **_term(
                "LossyImageCompressionMethod",
                "ISO_10918_1, ISO_14495_1, ISO_15444_1, ISO_15444_15, ISO_18181_1",
            ),
            **_term("BodyPartExamined", _BODY_PARTS),
            **_term("ViewPosition", _VIEWS),
            **_term("Laterality", "R, L"),
            **_term("ImageLaterality", "R, L, U, B"),
        },
    ),
)
"""The reviewed list. Numbers and pixels may stay since nothing in them names a person by itself;
text may stay only where all that it can say is listed here."""

ALLOWED: AllowList = {
    keyword: allowed for group in GROUPS for keyword, allowed in group.allowed.items()
}

REPLACED: Mapping[str, str] = {
    "SOPClassUID": "kept if the standard defines it, else the object is refused",
    "SOPInstanceUID": "keyed UID",
    "StudyInstanceUID": "keyed UID",
    "SeriesInstanceUID": "keyed UID",
    "FrameOfReferenceUID": "keyed UID",
    "PatientID": "keyed pseudonym",
    "PatientName": "empty",
    "PatientBirthDate": "empty",
    "PatientSex": "F, M or O, else empty",
    "PatientAge": "years, 90 and over as 90; from birth and study date where it is missing",
    "StudyDate": "moved back by the patient's keyed number of days; empty without a patient",
    "AcquisitionDate": "moved back by the patient's keyed number of days; left out without one",
    "StudyTime": "empty",
    "StudyID": "empty",
    "AccessionNumber": "empty",
    "ReferringPhysicianName": "empty",
    "SeriesNumber": "empty",
    "InstanceNumber": "empty",
    "ImageType": "ORIGINAL or DERIVED, PRIMARY or SECONDARY; further values left out",
    "ManufacturerModelName": "kept if it looks like a device's name and names nobody",
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "this method, and the mark by which it is known again",
    "DeidentificationMethodCodeSequence": "the profile and its options (PS3.16, CID 7050)",
    "LongitudinalTemporalInformationModified": "MODIFIED, or REMOVED without a patient",
}
"""Attributes that are written anew: keyword → with what."""
