"""Pictures inside JSON."""

import base64
import io
from typing import Any

from PIL import Image


def data_uri(image: Image.Image, kind: str, **options: Any) -> str:
    """Encode as a data URI; `kind` and `options` are Pillow's format and its save options."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    text = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:{Image.MIME[kind]};base64,{text}"
