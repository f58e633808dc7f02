"""DICOM files of given pixels in any transfer syntax that can be written here."""

import io
from typing import Any

import imagecodecs
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

UNCOMPRESSED = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
LOSSLESS = (
    *UNCOMPRESSED,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
)
LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K)


def dicom_file(
    *frames: np.ndarray, syntax: UID = ExplicitVRLittleEndian, bits: int = 0, **elements: Any
) -> bytes:
    """A secondary capture of one or more frames, (height, width) or (height, width, 3).

    Args:
        bits: stored of each value; default all.
        elements: override what the pixels say, or, if None, remove it.
    """
    pixels = frames[0]
    bits = bits or 8 * pixels.dtype.itemsize
    dataset = _header(pixels, syntax, bits)
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    if syntax in UNCOMPRESSED:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        data = b"".join(frame.astype(frame.dtype.newbyteorder(order)).tobytes() for frame in frames)
        dataset.PixelData = data + b"\0" * (len(data) % 2)
    else:
        dataset.PixelData = encapsulate([compressed(frame, syntax, bits) for frame in frames])
    dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    return written(dataset)


def dicom_around(stream: bytes, pixels: np.ndarray, syntax: UID, *, bits: int = 0) -> bytes:
    """A file whose header describes `pixels`, around a compressed frame of anything."""
    dataset = _header(pixels, syntax, bits or 8 * pixels.dtype.itemsize)
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    return written(dataset)


def compressed(pixels: np.ndarray, syntax: UID, bits: int) -> bytes:
    """One frame as a stream of a compressed transfer syntax, by another library where it can be."""
    if syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        depth = 8 if pixels.dtype.itemsize == 1 else 12
        return imagecodecs.jpeg8_encode(pixels, level=98, bitspersample=depth, subsampling="444")
    if syntax in (JPEGLossless, JPEGLosslessSV1):
        predictor = 1 if syntax == JPEGLosslessSV1 else 7
        unsigned = pixels.view(f"u{pixels.dtype.itemsize}")
        return imagecodecs.jpeg8_encode(
            unsigned, lossless=True, predictor=predictor, bitspersample=8 * pixels.dtype.itemsize
        )
    if syntax in (HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K):
        return imagecodecs.htj2k_encode(pixels, reversible=True)
    return get_encoder(syntax).encode(
        np.ascontiguousarray(pixels),
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=3 if pixels.ndim == 3 else 1,
        bits_allocated=8 * pixels.dtype.itemsize,
        bits_stored=bits,
        pixel_representation=int(pixels.dtype.kind == "i"),
        photometric_interpretation="RGB" if pixels.ndim == 3 else "MONOCHROME2",
        planar_configuration=0,
        number_of_frames=1,
        **({"jls_error": 2} if syntax == JPEGLSNearLossless else {}),
        **({"j2k_psnr": [60]} if syntax == JPEG2000 else {}),
    )


def written(dataset: FileDataset) -> bytes:
    """The dataset as a file."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _header(pixels: np.ndarray, syntax: UID, bits: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    known = syntax if syntax in UNCOMPRESSED else ExplicitVRLittleEndian
    dataset.set_original_encoding(known.is_implicit_VR, known.is_little_endian)
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored = 8 * pixels.dtype.itemsize, bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    return dataset
