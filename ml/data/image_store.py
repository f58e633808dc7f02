"""The image store: pixels under the name of their own hash, so that equal images are one file.

Images are kept as uncompressed TIFF: it is lossless, every viewer opens it, no decoder's version
can change its pixels, and it takes a tenth of PNG's time to write and read (docs/adr/0014).
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image

from ml.contract.decoding import Pixels, image_id
from ml.contract.errors import NotFound, VigieError
from ml.data.image_writers import BucketWriter, FolderWriter, ImageWriter
from ml.data.storage import Place

_SUFFIXES = (".tif", ".png")


class ImageDamaged(VigieError):
    """A stored image is not the one its name says."""

    code = "image-damaged"


class ImageStore:
    """A place `<first two characters>/<image id>.tif`. Safe for many writers at once.

    Earlier versions stored PNG files, which are still read.
    """

    def __init__(self, root: Place) -> None:
        self.root = root

    @property
    def readers(self) -> int:
        """How many threads should read at once: a disk is near, a bucket is waited for."""
        return 2 if isinstance(self.root, Path) else 16

    def path(self, identity: str) -> Place:
        """Where an image is or would be."""
        usual, earlier = (self.root / _name(identity, suffix) for suffix in _SUFFIXES)
        return earlier if earlier.is_file() and not usual.is_file() else usual

    def __contains__(self, identity: str) -> bool:
        """Whether an image is stored."""
        return self.path(identity).is_file()

    def put(self, pixels: Pixels) -> str:
        """Store uint8 pixels, (height, width) or (height, width, 3); return the image id."""
        with self.writing() as put:
            return put(pixels)

    @contextmanager
    def writing(self) -> Iterator[Callable[[Pixels], str]]:
        """Give a `put` for many images; all of them are durable when the block ends.

        Raises:
            DiskFull: there is no room.
        """
        root = self.root
        writer: ImageWriter = FolderWriter(root) if isinstance(root, Path) else BucketWriter(root)

        def put(pixels: Pixels) -> str:
            identity = image_id(pixels)
            if not any(writer.has(_name(identity, suffix)) for suffix in _SUFFIXES):
                writer.add(_name(identity, _SUFFIXES[0]), pixels)
            return identity

        try:
            yield put
            writer.settle()
        finally:
            writer.close()

    def read(self, identity: str) -> bytes:
        """A stored image's file.

        Raises:
            NotFound: no such image.
        """
        for suffix in _SUFFIXES:
            with suppress(FileNotFoundError):
                return (self.root / _name(identity, suffix)).read_bytes()
        raise NotFound(f"There is no image {identity[:12]}….", remedy="Ingest it again.")

    def png(self, identity: str) -> bytes:
        """A stored image as the file that a client would send."""
        file = io.BytesIO()
        Image.fromarray(self.load(identity)).save(file, "PNG", compress_level=1)
        return file.getvalue()

    def load(self, identity: str) -> Pixels:
        """Read pixels back and check them against their name.

        Raises:
            NotFound: no such image.
            ImageDamaged: the file was altered.
        """
        file = io.BytesIO(self.read(identity))
        try:
            with Image.open(file, formats=("TIFF", "PNG")) as image:
                pixels = np.asarray(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise _damaged(identity) from error
        if image_id(pixels) != identity:
            raise _damaged(identity)
        return pixels


def _name(identity: str, suffix: str) -> str:
    return f"{identity[:2]}/{identity}{suffix}"


def _damaged(identity: str) -> ImageDamaged:
    return ImageDamaged(
        f"The stored image {identity[:12]}… was altered.",
        remedy="Delete the file and ingest its source again.",
    )
