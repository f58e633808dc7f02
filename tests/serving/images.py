"""Image files for requests, good and hostile."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    UltrasoundImageStorage,
    generate_uid,
)

from tests.fakes.tiny_bundle import tiny_pixels

NORMAL, BENIGN, MALIGNANT = 0, 128, 255


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(level: int = BENIGN, *, seed: int = 0, height: int = 48, width: int = 64) -> bytes:
    return encoded(Image.fromarray(tiny_pixels(level, seed=seed, height=height, width=width)))


def _png_of(width: int, height: int, data: bytes, *, interlaced: bool = False) -> bytes:
    """A grey 8-bit file with this head and these bytes for pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def png_claiming(width: int, height: int) -> bytes:
    """A few bytes that claim to be an enormous image."""
    return _png_of(width, height, b"\0" * 1000)


def interlaced_png() -> bytes:
    """Rows in the seven passes of Adam7, which Pillow reads and does not write."""
    pixels = tiny_pixels()
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
    rows = b"".join(
        b"\0" + row.tobytes()
        for left, top, across, down in [*passes, (0, 1, 1, 2)]
        for row in pixels[top::down, left::across]
    )
    height, width = pixels.shape
    return _png_of(width, height, rows, interlaced=True)


def animated_png() -> bytes:
    frames = [Image.fromarray(tiny_pixels(level)) for level in (0, 255)]
    return encoded(frames[0], save_all=True, append_images=frames[1:])


def recompressed_dicom(frame: bytes, syntax: str) -> bytes:
    """The DICOM file of `dicom()`, its pixels replaced by a compressed frame of any size."""
    dataset = pydicom.dcmread(io.BytesIO(dicom()))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset)
    return file.getvalue()


def rle_bomb(runs: int = 2**20) -> bytes:
    """One RLE segment of runs, two bytes each, that unpack to 128 bytes each."""
    header = struct.pack("<16I", 1, 64, *[0] * 14)
    return recompressed_dicom(header + b"\x81\0" * runs, RLELossless)


def altered_dicom(**elements: object) -> bytes:
    """A good file in which some elements say something else."""
    dataset = pydicom.dcmread(io.BytesIO(dicom()))
    for name, value in elements.items():
        setattr(dataset, name, value)
    return _written(dataset)


def deflated_dicom(*, zeros: int) -> bytes:
    """A good file, deflated, and so many zeros with it."""
    dataset = pydicom.dcmread(io.BytesIO(dicom()))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.EncapsulatedDocument = bytes(zeros)
    return _written(dataset)


def dicom_with_document() -> bytes:
    """A document instead of an image."""
    dataset = pydicom.dcmread(io.BytesIO(dicom(with_pixels=False)))
    dataset.EncapsulatedDocument = b"%PDF-1.7"
    return _written(dataset)


def dicom_of_tiny_tiles() -> bytes:
    """A JPEG 2000 frame that asks its decoder for thousands of tiles."""
    pixels = tiny_pixels()
    stream = imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True)
    tiny = struct.pack(">II", 1, 1)
    return recompressed_dicom(stream[:24] + tiny + stream[32:], JPEG2000Lossless)


def _written(dataset: pydicom.Dataset) -> bytes:
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset)
    return file.getvalue()


def dicom(level: int = BENIGN, *, with_pixels: bool = True) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.PatientName = "Nobody^Real"
    dataset.PatientID = "secret-17"
    if with_pixels:
        pixels = tiny_pixels(level)
        pixels[0, 0], pixels[0, 1] = 0, 255
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.PixelRepresentation = 0
        dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
    return _written(dataset)
