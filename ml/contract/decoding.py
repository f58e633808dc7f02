"""Bytes → pixels, once for ingest and serving: PNG, JPEG, TIFF and DICOM.

The file type is read from the bytes, never from a name or a declared content type.
"""

import io
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ml.contract.errors import ImageTooLarge, UnreadableImage, UnsupportedImage

Pixels = npt.NDArray[np.uint8]
MediaType = Literal["image/png", "image/jpeg", "image/tiff", "application/dicom"]

_PILLOW_FORMATS: dict[str, MediaType] = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "TIFF": "image/tiff",
}
_DICOM_PREAMBLE = 128
_DICOM_MAGIC = b"DICM"


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Bounds checked before pixels are decoded, so that a small file cannot fill the memory."""

    max_bytes: int = 20 * 2**20
    max_pixels: int = 40_000_000


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """`pixels` is uint8, (height, width) for grey or (height, width, 3) for RGB."""

    pixels: Pixels
    media_type: MediaType
    bits_stored: int


def is_dicom(data: bytes) -> bool:
    """Whether the bytes start like a DICOM file (128-byte preamble, then `DICM`)."""
    return data[_DICOM_PREAMBLE : _DICOM_PREAMBLE + 4] == _DICOM_MAGIC


def decode(data: bytes, limits: DecodeLimits | None = None) -> DecodedImage:
    """Decode an image file to 8-bit grey or RGB pixels.

    Raises:
        ImageTooLarge: more bytes or pixels than `limits` allows.
        UnsupportedImage: not a PNG, JPEG, TIFF or DICOM file, or an animated one.
        UnreadableImage: of a supported type, but empty, truncated or damaged.
    """
    limits = limits or DecodeLimits()
    if not data:
        raise UnreadableImage("The file is empty.", remedy="Send the image's bytes.")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"The file has {len(data):,} bytes; the limit is {limits.max_bytes:,}.",
            remedy="Send a smaller file.",
        )
    return _decode_dicom(data, limits) if is_dicom(data) else _decode_with_pillow(data, limits)


def _check_pixel_count(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"The image is {width}×{height} pixels; the limit is {limits.max_pixels:,} in all.",
            remedy="Send a smaller image.",
        )


def _decode_with_pillow(data: bytes, limits: DecodeLimits) -> DecodedImage:
    try:
        with warnings.catch_warnings():
            # Our own pixel limit below is stricter and speaks of it; Pillow's would only warn.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "TIFF"))
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
    except (OSError, SyntaxError, ValueError) as error:
        raise _damaged(error) from error
    with image:
        _check_pixel_count(image.width, image.height, limits)
        media_type = _PILLOW_FORMATS[image.format or ""]
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            raise UnsupportedImage(
                "The file holds several frames.", remedy="Send one frame per file."
            )
        bits = 16 if image.mode.startswith(("I", "F")) else 8
        try:
            image.load()
            pixels = _to_eight_bit(ImageOps.exif_transpose(image))
        except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
            raise _damaged(error) from error
    return DecodedImage(pixels, media_type, bits)


def _damaged(error: Exception) -> UnreadableImage:
    return UnreadableImage(
        f"The image is damaged or cut short ({type(error).__name__}).",
        remedy="Export it again from its source.",
    )


def _to_eight_bit(image: Image.Image) -> Pixels:
    """Grey modes stay one channel; 16-bit ranges are scaled by their type's full range."""
    mode = image.mode
    if mode in ("1", "L", "LA"):
        return np.asarray(image.convert("L"))
    if mode.startswith("I;16") or mode == "I":
        values = np.asarray(image, dtype=np.int64)
        return (np.clip(values, 0, 65535) >> 8).astype(np.uint8)
    if mode == "F":
        return _stretch(np.asarray(image, dtype=np.float64))
    return _collapse_if_grey(np.asarray(image.convert("RGB")))


def _collapse_if_grey(pixels: Pixels) -> Pixels:
    """RGB whose three channels are equal is grey: one rule for a PNG saved either way."""
    first = pixels[..., 0]
    same = np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2])
    return np.ascontiguousarray(first) if same else pixels


def _stretch(values: npt.NDArray[np.float64]) -> Pixels:
    if not np.all(np.isfinite(values)):
        raise ValueError("pixel values are not finite")
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    return np.round((values - low) * (255.0 / (high - low))).astype(np.uint8)


def _decode_dicom(data: bytes, limits: DecodeLimits) -> DecodedImage:
    import pydicom
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut
    from pydicom.pixels.processing import convert_color_space

    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
    except Exception as error:  # pydicom raises many types on damaged files
        raise _damaged(error) from error
    if "PixelData" not in dataset:
        raise UnsupportedImage(
            "The DICOM file holds no image pixels.", remedy="Send an image object."
        )
    rows, columns = int(dataset.get("Rows", 0)), int(dataset.get("Columns", 0))
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    _check_pixel_count(columns, rows * frames, limits)
    if frames > 1:
        raise UnsupportedImage(
            f"The DICOM file holds {frames} frames.", remedy="Send one frame per file."
        )
    try:
        values = dataset.pixel_array
        photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
        if photometric.startswith("MONOCHROME"):
            windowed = apply_voi_lut(apply_modality_lut(values, dataset), dataset)
            pixels = _stretch(np.asarray(windowed, dtype=np.float64))
            if photometric == "MONOCHROME1":
                pixels = 255 - pixels
        elif photometric == "PALETTE COLOR":
            coloured = np.asarray(apply_color_lut(values, dataset))
            pixels = (coloured >> 8).astype(np.uint8) if coloured.dtype == np.uint16 else coloured
            pixels = _collapse_if_grey(pixels)
        else:
            if photometric.startswith("YBR_FULL") and not dataset.file_meta.TransferSyntaxUID.is_compressed:
                values = convert_color_space(values, photometric, "RGB")
            pixels = _collapse_if_grey(np.asarray(values, dtype=np.uint8))
    except Exception as error:  # decoders behind pydicom raise many types
        raise UnreadableImage(
            f"The DICOM image cannot be decoded ({type(error).__name__}).",
            remedy="Export it again, uncompressed (explicit VR little endian).",
        ) from error
    return DecodedImage(pixels, "application/dicom", int(dataset.get("BitsStored", 8)))
