"""The true size of a JPEG 2000 codestream, HTJ2K too, and what it costs to decode.

Markers are those of ITU-T T.800, annex A; boxes around a codestream those of annex I.
"""

import struct
from collections.abc import Iterator

from ml.contract.dicom.stream_jpeg import StreamSize

_SOC, _SIZ, _COD, _COC, _SOT, _SOD = 0xFF4F, 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
# A decoder keeps hundreds of bytes for every tile, precinct and code-block, so that a few bytes
# that ask for tiny ones take gigabytes. Encoders of medical images stay far above these.
_LEAST_TILE_SIDE = 64
_LEAST_PRECINCT_EXPONENT = 4
_LEAST_BLOCK_EXPONENTS = 6  # of both sides: 64 coefficients

Segment = tuple[int, memoryview]


def bare_codestream(frame: bytes) -> bytes:
    """The codestream alone: some files wrap it as a JP2 file, which DICOM does not allow.

    Raises:
        ValueError: it is wrapped, but not to be found.
    """
    if not frame.startswith(_JP2_SIGNATURE):
        return frame
    at = 0
    while at + 8 <= len(frame):
        length, kind = struct.unpack_from(">I4s", frame, at)
        if kind == b"jp2c":
            return frame[at + 8 : at + length if length else None]
        if length < 8:
            break
        at += length
    raise ValueError("is a JP2 file without image")


def jpeg2000_size(stream: bytes) -> StreamSize:
    """Read the size of a bare codestream, and check that decoding it stays within bounds.

    Raises:
        ValueError: not a codestream, cut short, lacking tiles, or cut into tiny pieces.
    """
    view = memoryview(stream)
    segments = _segments(view, 2)
    if len(view) < 4 or int.from_bytes(view[:2], "big") != _SOC:
        raise ValueError("does not start as JPEG 2000 does")
    marker, siz = next(segments)
    if marker != _SIZ:
        raise ValueError("does not start with its size")
    size, tiles = _read_siz(siz)
    at = len(siz) + 6
    for marker, body in segments:
        if marker == _SOT:
            break
        _check_pieces(marker, body, size.samples)
        at += len(body) + 4
    if _tiles_found(view, at, size.samples) != set(range(tiles)):
        raise ValueError("lacks tiles")
    return size


def _segments(view: memoryview, at: int) -> Iterator[Segment]:
    """Marker and body of each segment from here on, up to the first tile's data."""
    while at + 4 <= len(view):
        marker, length = struct.unpack_from(">HH", view, at)
        if marker == _SOD:
            return
        if marker < 0xFF00 or length < 2 or at + 2 + length > len(view):
            break
        yield marker, view[at + 4 : at + 2 + length]
        at += 2 + length
    raise ValueError("is cut short in its head")


def _read_siz(body: memoryview) -> tuple[StreamSize, int]:
    """Size of the image, and the number of its tiles."""
    right, bottom, left, top, tile_width, tile_height, tiles_left, tiles_top, samples = (
        struct.unpack_from(">8IH", body, 2)
    )
    components = [tuple(body[36 + 3 * i : 39 + 3 * i]) for i in range(samples)]
    if not components or any(each != components[0] for each in components):
        raise ValueError("has channels of unlike depth or size")
    sign_and_depth, *steps = components[0]
    if steps != [1, 1] or 0 in (tile_width, tile_height):
        raise ValueError("has thinned-out channels, or no tiles")
    across = -((tiles_left - right) // tile_width)
    down = -((tiles_top - bottom) // tile_height)
    if across * down > 1 and min(tile_width, tile_height) < _LEAST_TILE_SIDE:
        raise ValueError("is cut into tiny tiles")
    size = StreamSize(right - left, bottom - top, samples, (sign_and_depth & 0x7F) + 1)
    return size, across * down


def _check_pieces(marker: int, body: memoryview, samples: int) -> None:
    """Refuse tiny precincts and code-blocks, of all components (COD) or of one (COC)."""
    if marker == _COD:
        has_precincts, coding = body[0] & 1, body[5:]
    elif marker == _COC:
        skipped = 1 if samples < 257 else 2
        has_precincts, coding = body[skipped] & 1, body[skipped + 1 :]
    else:
        return
    if (coding[1] & 15) + (coding[2] & 15) + 4 < _LEAST_BLOCK_EXPONENTS:
        raise ValueError("is cut into tiny code-blocks")
    exponents = [half for byte in coding[5:] for half in (byte & 15, byte >> 4)]
    if has_precincts and min(exponents, default=0) < _LEAST_PRECINCT_EXPONENT:
        raise ValueError("is cut into tiny precincts")


def _tiles_found(view: memoryview, at: int, samples: int) -> set[int]:
    """The tiles that have a part in the stream, each part's head checked as the main head is."""
    found: set[int] = set()
    while at + 12 <= len(view) and int.from_bytes(view[at : at + 2], "big") == _SOT:
        tile, length = struct.unpack_from(">HI", view, at + 4)
        end = at + length if length else len(view)
        if end > len(view) or end < at + 12:
            raise ValueError("is cut short")
        for marker, body in _segments(view, at + 12):
            _check_pieces(marker, body, samples)
        found.add(tile)
        at = end
    return found
