"""The true size of a JPEG or JPEG-LS stream, read from its markers without decoding it.

Both are ITU-T T.81, annex B: segments of a marker and a length. T.87 (JPEG-LS) adds markers.
"""

from dataclasses import dataclass

_START, _END = b"\xff\xd8", b"\xff\xd9"
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}  # tables and extensions among the frame markers C0…CF
_JPEG_LS_FRAME = 0xF7
_WITHOUT_LENGTH = {0x00, 0x01, *range(0xD0, 0xDA)}
_SCAN = 0xDA
_PADDING = 10


@dataclass(frozen=True, slots=True)
class StreamSize:
    """What a decoder will make of a compressed frame. `precision` is the bits of a value."""

    columns: int
    rows: int
    samples: int
    precision: int


def jpeg_size(stream: bytes) -> StreamSize:
    """Read the frame header of a JPEG or JPEG-LS stream.

    Raises:
        ValueError: not such a stream, or its end is missing. (Without one, a JPEG is filled up
            with grey, and a JPEG-LS decoder spends seconds behind its end.) The text says what
            the frame does.
    """
    if not stream.startswith(_START) or _END not in stream[-_PADDING:]:
        raise ValueError("does not start or end as JPEG does")
    at = len(_START)
    while at + 10 <= len(stream):
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        if stream[at] != 0xFF or length < 2 or marker in _WITHOUT_LENGTH or marker == _SCAN:
            break
        if marker == _JPEG_LS_FRAME or (0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES):
            return StreamSize(
                precision=stream[at + 4],
                rows=int.from_bytes(stream[at + 5 : at + 7], "big"),
                columns=int.from_bytes(stream[at + 7 : at + 9], "big"),
                samples=stream[at + 9],
            )
        at += 2 + length
    raise ValueError("has no header that is understood")
