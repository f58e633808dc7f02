"""Requests that a server must refuse, each with the status that says why."""

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RawDataStorage

_LARGER_THAN_ANY_LIMIT = 21 * 2**20 + 2**17


@dataclass(frozen=True, slots=True)
class HostileRequest:
    """`body` goes to POST /predict as the form's file `field`; None sends no form at all."""

    name: str
    expected: int
    body: bytes | None
    field: str = "file"

    def send(self, client: httpx.Client) -> int:
        """The status of the answer."""
        if self.body is None:
            return client.post("/predict").status_code
        return client.post("/predict", files={self.field: ("image", self.body)}).status_code


def hostile_requests() -> Iterator[HostileRequest]:
    """One of each kind."""
    png = _png()
    yield HostileRequest("no body", 422, None)
    yield HostileRequest("empty file", 400, b"")
    yield HostileRequest("wrong field", 422, png, field="picture")
    yield HostileRequest("not an image", 415, b"%PDF-1.7 this is a letter")
    yield HostileRequest("truncated image", 400, png[: len(png) // 2])
    yield HostileRequest("DICOM without pixels", 415, _dicom_without_pixels())
    yield HostileRequest("small file, huge image", 413, _claim_huge(png))
    yield HostileRequest("too large", 413, bytes(_LARGER_THAN_ANY_LIMIT))


def _png() -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _claim_huge(png: bytes) -> bytes:
    """The same PNG with 60,000 × 60,000 pixels in its header."""
    data = bytearray(png)
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def _dicom_without_pixels() -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = RawDataStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = RawDataStorage
    dataset.SOPInstanceUID = "1.2.3"
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
