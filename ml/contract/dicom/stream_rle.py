"""What a run-length encoded frame unpacks to (PS3.5, annex G), counted without unpacking it."""

_HEAD = 64


def check_rle_length(frame: bytes, limit: int) -> None:
    """Count what the PackBits runs unpack to.

    Raises:
        ValueError: more than `limit` bytes.
    """
    at, length = _HEAD, 0
    while at < len(frame) and length <= limit:
        head = frame[at]
        at += head + 2 if head < 128 else 2 if head > 128 else 1
        length += head + 1 if head < 128 else 257 - head if head > 128 else 0
    if length > limit:
        raise ValueError("is larger than the header says")
