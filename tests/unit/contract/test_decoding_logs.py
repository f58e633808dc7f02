import io
import logging
import warnings

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ml.contract.decoding import decode
from ml.contract.errors import InputError

PIXELS = np.random.default_rng(2).integers(0, 256, (40, 50), dtype=np.uint8)
NAME = "Zyxwvut"


def _png() -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", NAME)
    exif = Image.Exif()
    exif[315] = NAME
    return _saved("PNG", pnginfo=texts, exif=exif)


def _saved(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, **options)
    return file.getvalue()


FILES = {
    "png": _png(),
    "jpeg": _saved("JPEG", comment=NAME.encode()),
    "tiff": _saved("TIFF", tiffinfo={270: NAME, 65000: NAME}),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("cut", [False, True])
def test_decoding_tells_no_text_of_a_file_at_any_level(
    kind: str, cut: bool, caplog: pytest.LogCaptureFixture
) -> None:
    data = FILES[kind]
    assert NAME.encode() in data
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if cut:
            with pytest.raises(InputError) as refused:
                decode(data[: 2 * len(data) // 3])
            assert NAME not in str(refused.value)
        else:
            assert np.array_equal(decode(data).pixels.shape, PIXELS.shape)
    assert NAME not in caplog.text
    assert not any(NAME in str(warning.message) for warning in said)
