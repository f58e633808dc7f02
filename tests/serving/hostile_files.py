"""Files that must be refused, by what they are: the bytes and the status of the refusal."""

import gzip

from PIL import Image
from pydicom.uid import MPEG2MPML, JPEGBaseline8Bit

from tests.fakes.tiny_bundle import tiny_pixels
from tests.serving.images import (
    altered_dicom,
    animated_png,
    deflated_dicom,
    dicom,
    dicom_of_tiny_tiles,
    dicom_with_document,
    encoded,
    png,
    png_claiming,
    recompressed_dicom,
    rle_bomb,
)

_FRAMES = [Image.fromarray(tiny_pixels(level)) for level in (0, 255)]
GIF = encoded(Image.fromarray(tiny_pixels()), "GIF")
HOSTILE: dict[str, tuple[bytes, int]] = {
    "zero bytes": (b"", 400),
    "text": (b"not an image at all", 415),
    "a gif": (GIF, 415),
    "a zipped image": (gzip.compress(png()), 415),
    "a cut png": (png()[:-200], 400),
    "a png of its head alone": (png()[:40], 415),
    "a png with damaged bytes": (png()[:60] + b"\xff" * 40 + png()[100:], 400),
    "a decompression bomb": (png_claiming(60_000, 60_000), 413),
    "more pixels than allowed": (png_claiming(7000, 6000), 413),
    "an animation": (animated_png(), 415),
    "a dicom without pixels": (dicom(with_pixels=False), 415),
    "a dicom of its head alone": (dicom()[:200], 415),
    "a dicom with too few pixels": (dicom()[:-1000], 400),
    "a dicom that unpacks to more than it says": (rle_bomb(), 400),
    "a dicom around a larger jpeg": (
        recompressed_dicom(encoded(Image.new("L", (4000, 4000)), "JPEG"), JPEGBaseline8Bit),
        400,
    ),
    "a deflated dicom that inflates beyond the limit": (deflated_dicom(zeros=2**25), 413),
    "a dicom around a document": (dicom_with_document(), 415),
    "a dicom of several frames": (altered_dicom(NumberOfFrames=2), 415),
    "a dicom of a video": (recompressed_dicom(b"\0\0\1\xb3", MPEG2MPML), 415),
    "a dicom around a cut jpeg": (
        recompressed_dicom(encoded(Image.new("L", (64, 48)), "JPEG")[:-20], JPEGBaseline8Bit),
        400,
    ),
    "a dicom of tiny jpeg 2000 tiles": (dicom_of_tiny_tiles(), 400),
    "a dicom that claims more rows than it has": (altered_dicom(Rows=4000), 400),
    "a dicom that claims too many pixels": (altered_dicom(Rows=65000, Columns=65000), 413),
    "a dicom that claims no rows": (altered_dicom(Rows=0), 400),
    "a dicom of minus one frames": (altered_dicom(NumberOfFrames=-1), 400),
    "a tiff bomb": (
        encoded(Image.new("1", (20_000, 20_000)), "TIFF", compression="group4"),
        413,
    ),
    "an animated gif": (encoded(_FRAMES[0], "GIF", save_all=True, append_images=_FRAMES), 415),
    "an animated webp": (encoded(_FRAMES[0], "WEBP", save_all=True, append_images=_FRAMES), 415),
    "a tiff of several pages": (
        encoded(_FRAMES[0], "TIFF", save_all=True, append_images=_FRAMES),
        415,
    ),
    "a cut jpeg": (encoded(_FRAMES[0], "JPEG")[:-300], 400),
}
