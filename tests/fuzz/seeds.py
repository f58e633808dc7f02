"""Small valid images of every kind that `decode` reads, to mutate from."""

import numpy as np
from PIL import Image

from tests.serving.images import animated_png, dicom, encoded, png, png_claiming

_GREY = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
_DEEP = Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 200)

SEEDS = {
    "png": png(height=16, width=16),
    "png-alpha": encoded(_GREY.convert("LA")),
    "png-palette": encoded(_GREY.convert("P")),
    "png-16-bit": encoded(_DEEP),
    "png-animated": animated_png(),
    "png-flood": png_claiming(60_000, 60_000),
    "jpeg": encoded(_GREY, "JPEG"),
    "jpeg-progressive": encoded(_GREY.convert("RGB"), "JPEG", progressive=True),
    "jpeg-cmyk": encoded(_GREY.convert("CMYK"), "JPEG"),
    "tiff": encoded(_GREY, "TIFF"),
    "tiff-deflated": encoded(_DEEP, "TIFF", compression="tiff_adobe_deflate"),
    "tiff-float": encoded(_GREY.convert("F"), "TIFF"),
    "dicom": dicom(),
    "dicom-without-pixels": dicom(with_pixels=False),
}
