"""Bytes → pixels, once for ingest and serving: PNG, JPEG, TIFF and DICOM.

The file type is read from the bytes, never from a name or a declared content type.
"""

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ml.contract.errors import ImageTooLarge, UnreadableImage, UnsupportedImage

if TYPE_CHECKING:
    import pydicom

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
_DEFLATED_SYNTAX = b"1.2.840.10008.1.2.1.99"


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


def image_id(pixels: Pixels) -> str:
    """An image's name in store, datasets and records: sha256 of its shape and pixels, hex."""
    digest = hashlib.sha256("×".join(map(str, pixels.shape)).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


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
    except Exception as error:  # Pillow's parsers raise many types on damaged files
        raise _damaged(error) from error
    with image:
        _check_pixel_count(image.width, image.height, limits)
        media_type = _PILLOW_FORMATS[image.format or ""]
        bits = 16 if image.mode.startswith(("I", "F")) else 8
        try:
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            if frames == 1:
                image.load()
                pixels = _to_eight_bit(ImageOps.exif_transpose(image))
        except Exception as error:  # as above
            raise _damaged(error) from error
    if frames > 1:
        raise _several_frames(frames)
    return DecodedImage(pixels, media_type, bits)


def _several_frames(frames: int) -> UnsupportedImage:
    return UnsupportedImage(f"The file holds {frames} frames.", remedy="Send one frame per file.")


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
        return (np.clip(np.asarray(image), 0, 65535) >> 8).astype(np.uint8)
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
    return _scale(values, float(values.min()), float(values.max()))


def _scale(values: npt.NDArray[np.float64], low: float, high: float) -> Pixels:
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    factor = 255.0 / (high - low)
    if not np.isfinite(high - low) or not np.isfinite(factor):
        raise ValueError("the range of values cannot be scaled")
    return np.round((values - low) * factor).astype(np.uint8)


def _decode_dicom(data: bytes, limits: DecodeLimits) -> DecodedImage:
    import pydicom

    # pydicom would otherwise warn with the very values that identify a patient.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    if _DEFLATED_SYNTAX in data:
        # It is inflated as a whole before anything can be checked: no limit would hold.
        raise UnsupportedImage(
            "The DICOM file is deflated.",
            remedy="Export it again, uncompressed (explicit VR little endian).",
        )
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        has_pixels = "PixelData" in dataset
        rows, columns = int(dataset.get("Rows", 0)), int(dataset.get("Columns", 0))
        frames = int(dataset.get("NumberOfFrames", 1) or 1)
        bits = int(dataset.get("BitsStored", 8))
    except Exception as error:  # pydicom raises many types on damaged files
        raise _damaged(error) from error
    if not has_pixels:
        raise UnsupportedImage(
            "The DICOM file holds no image pixels.", remedy="Send an image object."
        )
    _check_pixel_count(columns, rows * frames, limits)
    if frames > 1:
        raise _several_frames(frames)
    try:
        pixels = _dicom_pixels(dataset, bits)
    except Exception as error:  # decoders behind pydicom raise many types
        raise UnreadableImage(
            f"The DICOM image cannot be decoded ({type(error).__name__}).",
            remedy="Export it again, uncompressed (explicit VR little endian).",
        ) from error
    return DecodedImage(pixels, "application/dicom", bits)


def _dicom_pixels(dataset: "pydicom.Dataset", bits: int) -> Pixels:
    from pydicom.pixels import apply_color_lut

    _check_compressed_size(dataset)
    values = dataset.pixel_array  # YBR is RGB already
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if photometric.startswith("MONOCHROME"):
        grey = _dicom_grey(values, dataset)
        return 255 - grey if photometric == "MONOCHROME1" else grey
    if photometric == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
        bits = 8 * values.dtype.itemsize
    return _collapse_if_grey((values >> max(bits - 8, 0)).astype(np.uint8))


def _check_compressed_size(dataset: "pydicom.Dataset") -> None:
    """Decoders trust the compressed frame, not the header whose size was checked."""
    from pydicom.encaps import get_frame
    from pydicom.uid import RLELossless

    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if syntax == RLELossless:
        values = rows * columns * int(dataset.SamplesPerPixel)
        _check_rle_length(frame, 2 * values * int(dataset.BitsAllocated) // 8)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000"))
        except UnidentifiedImageError as error:
            # Another package may decode it, but then its true size is not known beforehand.
            raise ValueError("the compressed frame's size cannot be seen") from error
        with image:
            if image.size != (columns, rows):
                raise ValueError("the compressed frame has another size than the header says")


def _check_rle_length(frame: bytes, limit: int) -> None:
    """Count what the PackBits runs (DICOM PS3.5, annex G) unpack to; padding is little."""
    at, length = 64, 0
    while at < len(frame) and length <= limit:
        head = frame[at]
        at += head + 2 if head < 128 else 2 if head > 128 else 1
        length += head + 1 if head < 128 else 257 - head if head > 128 else 0
    if length > limit:
        raise ValueError("the compressed frame is larger than the header says")


def _dicom_grey(values: npt.NDArray[np.generic], dataset: "pydicom.Dataset") -> Pixels:
    """The window says what is black and white; else 8 bits stay as they are, more are stretched."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    measured = apply_modality_lut(values, dataset)
    shown = np.asarray(apply_voi_lut(measured, dataset), dtype=np.float64)
    if "WindowWidth" in dataset and "VOILUTSequence" not in dataset:
        ends = apply_voi_lut(np.array([-1e12, 1e12]), dataset)
        return _scale(shown, float(ends[0]), float(ends[1]))
    if values.dtype == np.uint8 and np.array_equal(shown, values):
        # The same picture must give the same pixels as a PNG file.
        return np.asarray(values, dtype=np.uint8)
    return _stretch(shown)
