"""Compressed images carry comments and foreign blocks: they are blanked, and no pixel changes."""

import re
from collections.abc import Iterator

from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_APP0, _APP8, _APP14, _APP15 = 0xE0, 0xE8, 0xEE, 0xEF
_JPEG_LS_FRAME = 0xF7
_RESTARTS = range(0xD0, 0xD8)
# In the data of a scan a byte FF is followed by one that says it is data: 00 in JPEG (ITU-T T.81,
# B.1.1.5), one below 80 in JPEG-LS (ITU-T T.87, A.1). Restart markers belong to the data.
_SCAN_END = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SCAN_END_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
# What decoders read of application segments: colour transforms. Lengths without the length field.
_READ = {_APP0: (b"JFIF\0", 14), _APP8: (b"mrfx", 5), _APP14: (b"Adobe", 12)}

_J2K_SOC, _J2K_COM, _J2K_SOT, _J2K_SOD, _J2K_EOC = 0x4F, 0x64, 0x90, 0x93, 0xD9


class UnknownCodestream(ValueError):
    """Compressed data in which comments cannot be found."""


def without_comments(frame: bytes, syntax: UID) -> bytes:
    """A compressed frame whose comments and foreign blocks are zeros, and that ends at its end.

    Raises:
        UnknownCodestream: of no form that is known here, or damaged.
    """
    if syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        blanks = _jpeg_blanks(frame)
    elif syntax in JPEG2000TransferSyntaxes:
        blanks = _jpeg2000_blanks(frame)
    elif syntax == RLELossless:
        return frame  # has no room for comments
    else:
        raise UnknownCodestream(syntax.name)
    clean, length = bytearray(frame), len(frame)
    try:
        for start, end in blanks:
            clean[start:end] = bytes(max(0, end - start))
            length = start if end == len(frame) else length
    except IndexError as error:
        raise UnknownCodestream("the data ends early") from error
    return bytes(clean[:length])


def _jpeg_blanks(frame: bytes) -> Iterator[tuple[int, int]]:
    """Where a JPEG or JPEG-LS stream (ITU-T T.81, annex B) says what no decoder needs."""
    if frame[:2] != bytes((0xFF, _SOI)):
        raise UnknownCodestream("no JPEG stream")
    at, scan_end = 2, _SCAN_END
    while True:
        while frame[at] == 0xFF and frame[at + 1] == 0xFF:  # fill bytes
            at += 1
        if frame[at] != 0xFF:
            raise UnknownCodestream("no marker where one must be")
        marker = frame[at + 1]
        if marker == _EOI:
            yield at + 2, len(frame)
            return
        end = at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker == _COM or _APP0 <= marker <= _APP15:
            yield at + 4 + _read_length(marker, frame[at + 4 : end]), min(end, len(frame))
        elif marker == _JPEG_LS_FRAME:
            scan_end = _SCAN_END_LS
        if marker == _SOS:
            found = scan_end.search(frame, end)
            if found is None:  # cut short: decoders forgive a missing end
                return
            end = found.start()
        at = end


def _read_length(marker: int, segment: bytes) -> int:
    name, length = _READ.get(marker, (b"-", 0))
    return min(length, len(segment)) if segment.startswith(name) else 0


def _jpeg2000_blanks(frame: bytes) -> Iterator[tuple[int, int]]:
    """The comments of a JPEG 2000 codestream's main and tile-part headers (ITU-T T.800, A.9.2)."""
    if frame[:2] != bytes((0xFF, _J2K_SOC)):
        raise UnknownCodestream("no JPEG 2000 codestream")
    at, tile_end = 2, 0
    while at + 4 <= len(frame):
        if frame[at] != 0xFF:
            raise UnknownCodestream("no marker where one must be")
        marker = frame[at + 1]
        if marker == _J2K_EOC:
            yield at + 2, len(frame)
            return
        if marker == _J2K_SOD:
            if tile_end <= at:
                raise UnknownCodestream("a tile that ends before it begins")
            at = tile_end
            continue
        if marker == _J2K_SOT:
            length = int.from_bytes(frame[at + 6 : at + 10], "big")
            tile_end = at + length if length else len(frame)
        end = at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker == _J2K_COM:
            yield at + 6, min(end, len(frame))
        at = end
