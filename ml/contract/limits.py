"""What one image may take, and which of a file's frames is the image."""

from dataclasses import dataclass
from typing import Literal

from ml.contract.errors import ImageTooLarge, SeveralFrames, UnreadableImage

FramePolicy = Literal["refuse", "first", "middle"]


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Bounds checked before pixels are decoded, so that a small file cannot fill the memory.

    `max_bytes` bounds the file, `max_pixels` one frame. `frames` says what is done with a file of
    several: it is refused, or its first or middle frame is the image and the others are not looked
    at.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 40_000_000
    frames: FramePolicy = "refuse"


def check_byte_count(data: bytes, limits: DecodeLimits) -> None:
    """Raises UnreadableImage for an empty file, ImageTooLarge for one over the limit."""
    if not data:
        raise UnreadableImage("The file is empty.", remedy="Send the image's bytes.")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"The file has {len(data):,} bytes; the limit is {limits.max_bytes:,}.",
            remedy="Send a smaller file.",
        )


def check_pixel_count(width: int, height: int, limits: DecodeLimits) -> None:
    """Raises ImageTooLarge for more pixels than the limit."""
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"The image is {width}×{height} pixels; the limit is {limits.max_pixels:,} in all.",
            remedy="Send a smaller image.",
        )


def choose_frame(frames: int, policy: FramePolicy) -> int:
    """Which of `frames` frames is the image, from 0; of an even number, the later middle one.

    Raises:
        SeveralFrames: there are several, and the policy is to refuse them.
    """
    if frames == 1 or policy == "first":
        return 0
    if policy == "middle":
        return frames // 2
    raise SeveralFrames(f"The file holds {frames} frames.", remedy="Send one frame per file.")
