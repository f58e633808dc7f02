"""The image store: pixels under the name of their own hash, so that equal images are one file."""

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from ml.contract.decoding import Pixels, image_id
from ml.contract.errors import NotFound, VigieError

_COMPRESSION = 3  # half of level 6's time for a few per cent more bytes


class ImageDamaged(VigieError):
    """A stored image is not the one its name says."""

    code = "image-damaged"


class ImageStore:
    """A folder `<first two characters>/<image id>.png`. Safe for many writers at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, identity: str) -> Path:
        """Where an image is or would be."""
        return self.root / identity[:2] / f"{identity}.png"

    def __contains__(self, identity: str) -> bool:
        """Whether an image is stored."""
        return self.path(identity).is_file()

    def put(self, pixels: Pixels) -> str:
        """Store uint8 pixels, (height, width) or (height, width, 3); return the image id."""
        identity = image_id(pixels)
        target = self.path(identity)
        if target.is_file():
            return identity
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                Image.fromarray(pixels).save(file, "PNG", compress_level=_COMPRESSION)
                file.flush()
                # Without it a power cut may leave the final name on an empty file.
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return identity

    def load(self, identity: str) -> Pixels:
        """Read pixels back and check them against their name.

        Raises:
            NotFound: no such image.
            ImageDamaged: the file was altered.
        """
        path = self.path(identity)
        if not path.is_file():
            raise NotFound(f"There is no image {identity[:12]}….", remedy="Ingest it again.")
        try:
            with Image.open(path, formats=("PNG",)) as image:
                pixels = np.asarray(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise _damaged(identity) from error
        if image_id(pixels) != identity:
            raise _damaged(identity)
        return pixels


def _damaged(identity: str) -> ImageDamaged:
    return ImageDamaged(
        f"The stored image {identity[:12]}… was altered.",
        remedy="Delete the file and ingest its source again.",
    )
