"""A small picture of an image whose type browsers cannot show."""

from PIL import Image

from ml.contract.decoding import MediaType, Pixels
from serving.data_uri import data_uri

_LONGEST_SIDE = 640
_QUALITY = 85
_SHOWN_BY_BROWSERS: frozenset[MediaType] = frozenset({"image/png", "image/jpeg"})


def needs_preview(media_type: MediaType | None) -> bool:
    """Whether a browser cannot show the file itself; a tensor (None) is no file."""
    return media_type is not None and media_type not in _SHOWN_BY_BROWSERS


def preview_uri(pixels: Pixels) -> str:
    """A JPEG data URI of uint8 pixels, grey or RGB; at most 640 pixels a side."""
    image = Image.fromarray(pixels)
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.BILINEAR)
    return data_uri(image, "JPEG", quality=_QUALITY)
