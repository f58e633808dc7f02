"""What a DICOM header says of its pixels, checked to be something that can be read."""

from dataclasses import dataclass

import pydicom
from pydicom.uid import UID, RLELossless

from ml.contract.dicom.file import PIXEL_KEYWORDS
from ml.contract.dicom.transfer_syntaxes import DECODERS
from ml.contract.errors import (
    InputError,
    UnreadableImage,
    UnsupportedPixels,
    UnsupportedTransferSyntax,
)

_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
_PALETTE = "PALETTE COLOR"
_FLOAT_BITS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """The image pixel module (PS3.3, C.7.6.3) of a file that can be decoded."""

    syntax: UID
    keyword: str
    photometric: str
    samples: int
    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int

    @property
    def is_grey(self) -> bool:
        """One value a pixel that is a shade, not an index into a palette."""
        return self.photometric in _GREY


def read_layout(dataset: pydicom.Dataset) -> PixelLayout:
    """Read the layout of a file's pixels.

    Raises:
        UnsupportedTransferSyntax: nothing here decodes its transfer syntax, or it names none.
        UnsupportedPixels: its colour model, channels or depth are not read.
        UnreadableImage: an element that every image needs is missing or makes no sense.
    """
    try:
        syntax = UID(dataset.file_meta.get("TransferSyntaxUID") or "")
        _check_syntax(syntax)
        layout = _claimed(dataset, syntax)
    except InputError:
        raise
    except Exception as error:  # pydicom raises many types on bad elements
        raise _broken_header(type(error).__name__) from error
    if layout.frames < 1 or layout.rows < 1 or layout.columns < 1:
        raise _broken_header("without rows, columns or frames")
    _check_depth(layout)
    _check_channels(layout)
    return layout


def _claimed(dataset: pydicom.Dataset, syntax: UID) -> PixelLayout:
    bits_allocated = int(dataset.BitsAllocated)
    bits_stored = int(dataset.get("BitsStored") or bits_allocated)
    return PixelLayout(
        syntax=syntax,
        keyword=next(keyword for keyword in PIXEL_KEYWORDS if keyword in dataset),
        photometric=str(dataset.get("PhotometricInterpretation", "MONOCHROME2")),
        samples=int(dataset.SamplesPerPixel),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        frames=int(dataset.get("NumberOfFrames", 1) or 1),
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=int(dataset.get("HighBit", bits_stored - 1)),
    )


def _check_syntax(syntax: UID) -> None:
    if syntax in DECODERS:
        return
    # Names of the standard's own syntaxes; what else stands there is not repeated.
    is_known = not syntax.is_private and syntax.type == "Transfer Syntax"
    raise UnsupportedTransferSyntax(
        f"The DICOM file's transfer syntax ({syntax.name}) is not read."
        if is_known
        else "The DICOM file names no transfer syntax that is known.",
        remedy="Export it again, uncompressed (explicit VR little endian).",
    )


def _check_depth(layout: PixelLayout) -> None:
    bits, is_compressed = layout.bits_allocated, layout.syntax.is_encapsulated
    if layout.keyword in _FLOAT_BITS:
        if is_compressed or bits != _FLOAT_BITS[layout.keyword] or not layout.is_grey:
            raise _unsupported("They are floating-point values of an unusual layout.")
        return
    if bits not in (8, 16, 32) and (bits != 1 or is_compressed):
        raise _unsupported("The bits allocated for a value are not 1, 8, 16 or 32.")
    if bits == 32 and is_compressed and layout.syntax != RLELossless:
        raise _unsupported("They are compressed values of 32 bits.")
    if bits == 32 and layout.photometric == _PALETTE:
        raise _unsupported("They are indices of 32 bits.")
    if not 1 <= layout.bits_stored <= bits:
        raise _broken_header("with more bits stored than allocated")
    if layout.is_grey and layout.high_bit != layout.bits_stored - 1:
        raise _unsupported("Their values do not end at the lowest bit.")


def _check_channels(layout: PixelLayout) -> None:
    if layout.photometric not in _GREY | _COLOUR | {_PALETTE}:
        raise _unsupported("Their colour model is not read.")
    if layout.samples != (3 if layout.photometric in _COLOUR else 1):
        raise _unsupported("Their number of channels does not fit their colour model.")
    if layout.photometric.startswith("YBR_FULL") and layout.bits_allocated != 8:
        raise _unsupported("They are luminance and chrominance of more than 8 bits.")


def _unsupported(why: str) -> UnsupportedPixels:
    return UnsupportedPixels(
        f"The DICOM image's pixels cannot be shown. {why}",
        remedy="Export it as MONOCHROME2 or RGB with 8 or 16 bits.",
    )


def _broken_header(what: str) -> UnreadableImage:
    return UnreadableImage(
        f"The DICOM header does not describe an image ({what}).",
        remedy="Export it again from its source.",
    )
