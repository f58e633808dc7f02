"""PNG, JPEG and TIFF → pixels, by Pillow."""

import io
import logging
import warnings
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ml.contract.errors import ImageTooLarge, InputError, UnreadableImage, UnsupportedImage
from ml.contract.limits import DecodeLimits, check_pixel_count, choose_frame
from ml.contract.pixels import Pixels, collapse_if_grey, stretch

# At DEBUG it tells the text of every tag, which may name a patient.
logging.getLogger("PIL").setLevel(logging.INFO)

PillowType = Literal["image/png", "image/jpeg", "image/tiff"]

_TYPES: dict[str, PillowType] = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "TIFF": "image/tiff",
}


def decode_with_pillow(data: bytes, limits: DecodeLimits) -> tuple[Pixels, PillowType, int]:
    """Pixels, type and bits per channel of a PNG, JPEG or TIFF file; errors as `decode`'s."""
    with _opened(data, limits) as image:
        media_type = _TYPES[image.format or ""]
        check_pixel_count(image.width, image.height, limits)
        try:
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            frame = choose_frame(frames, limits.frames)
            if frame:
                image.seek(frame)  # pages of a TIFF may differ in size
                check_pixel_count(image.width, image.height, limits)
            bits = 16 if image.mode.startswith(("I", "F")) else 8
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            pixels = _to_eight_bit(image)
        except InputError:
            raise
        except Exception as error:  # Pillow's parsers raise many types on damaged files
            raise _damaged(error) from error
    return pixels, media_type, bits


def _opened(data: bytes, limits: DecodeLimits) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Our own pixel limit is stricter and speaks of it; Pillow's would only warn.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "TIFF"))
    except UnidentifiedImageError as error:
        raise UnsupportedImage(
            "The file is not a PNG, JPEG, TIFF or DICOM image.",
            remedy="Send one of these four types.",
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(
            f"The image has more pixels than the limit of {limits.max_pixels:,}.",
            remedy="Send a smaller image.",
        ) from error
    except Exception as error:  # as above
        raise _damaged(error) from error


def _damaged(error: Exception) -> UnreadableImage:
    return UnreadableImage(
        f"The image is damaged or cut short ({type(error).__name__}).",
        remedy="Export it again from its source.",
    )


def _to_eight_bit(image: Image.Image) -> Pixels:
    """Grey modes stay one channel; 16-bit ranges are scaled by their type's full range."""
    mode = image.mode
    if mode == "L":
        return np.asarray(image)
    if mode in ("1", "LA"):
        return np.asarray(image.convert("L"))
    if mode.startswith("I;16") or mode == "I":
        return (np.clip(np.asarray(image), 0, 65535) >> 8).astype(np.uint8)
    if mode == "F":
        return stretch(np.asarray(image, dtype=np.float64))
    return collapse_if_grey(np.asarray(image.convert("RGB")))
