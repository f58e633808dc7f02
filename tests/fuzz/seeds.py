"""Small valid images of every kind that `decode` reads, to mutate from."""

import numpy as np
from PIL import Image

from tests.fakes.dicom_files import LOSSLESS, LOSSY, dicom_file
from tests.serving.images import animated_png, dicom, encoded, png, png_claiming

_GREY = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
_DEEP = Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 200)
_SMOOTH = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8)

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
    **{
        f"dicom-{syntax.keyword}": dicom_file(_SMOOTH, syntax=syntax)
        for syntax in (*LOSSLESS, *LOSSY)
    },
    "dicom-window": dicom_file(
        _SMOOTH.astype(np.int16),
        WindowCenter=[20, 40],
        WindowWidth=[30, 60],
        RescaleSlope=2,
        RescaleIntercept=-10,
        PixelPaddingValue=0,
        PixelSpacing=[1, 2],
    ),
    "dicom-colour": dicom_file(
        np.stack([_SMOOTH] * 3, axis=2), PhotometricInterpretation="YBR_FULL"
    ),
    "dicom-frames": dicom_file(_SMOOTH, _SMOOTH, _SMOOTH),
}
