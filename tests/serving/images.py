"""Image files for requests, good and hostile."""

import io
import struct
import zlib

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

from tests.fakes.tiny_bundle import tiny_pixels

NORMAL, BENIGN, MALIGNANT = 0, 128, 255


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(level: int = BENIGN, *, seed: int = 0, height: int = 48, width: int = 64) -> bytes:
    return encoded(Image.fromarray(tiny_pixels(level, seed=seed, height=height, width=width)))


def png_claiming(width: int, height: int) -> bytes:
    """A few bytes that claim to be an enormous image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def animated_png() -> bytes:
    frames = [Image.fromarray(tiny_pixels(level)) for level in (0, 255)]
    return encoded(frames[0], save_all=True, append_images=frames[1:])


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
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset)
    return file.getvalue()
