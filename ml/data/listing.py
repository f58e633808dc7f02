"""What files a folder or a bucket holds, in order and one by one, however many there are."""

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from upath import UPath

from ml.contract.errors import Unavailable
from ml.data.storage import Place

_FOLDERS_KEPT = 4


@dataclass(frozen=True, slots=True)
class Listed:
    """A file by its name relative to the root. `version` changes with its content: the
    modification time in ns, or a bucket's ETag."""

    name: str
    size: int
    version: int | str

    @classmethod
    def missing(cls, name: str) -> "Listed":
        """A file that is not there: once it comes, it is a new one."""
        return cls(name, -1, 0)

    @property
    def is_missing(self) -> bool:
        """Whether it is not there."""
        return self.size < 0


class Listing(Protocol):
    """Visible files: no part of their name begins with a dot."""

    def folders(self) -> list[str]:
        """Names of the folders right under the root."""

    def files(self) -> Iterator[Listed]:
        """Files right under the root."""

    def files_under(self, folder: str) -> Iterator[Listed]:
        """All files under one of `folders`, however deep."""

    def look_up(self, name: str) -> Listed:
        """One file, there or missing."""


def listing_of(root: Place) -> Listing:
    """List a folder or a bucket's prefix."""
    return FolderListing(root) if isinstance(root, Path) else BucketListing(root)


class FolderListing:
    """Reads one folder at a time, ordered by name."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folders(self) -> list[str]:
        """See `Listing`."""
        return [entry.name for entry in _visible(self._root) if entry.is_dir()]

    def files(self) -> Iterator[Listed]:
        """See `Listing`."""
        for entry in _visible(self._root):
            if not entry.is_dir():
                yield _listed(entry.name, Path(entry.path))

    def files_under(self, folder: str) -> Iterator[Listed]:
        """See `Listing`."""
        for entry in _visible(self._root / folder):
            name = f"{folder}/{entry.name}"
            if entry.is_dir():
                yield from self.files_under(name)
            else:
                yield _listed(name, Path(entry.path))

    def look_up(self, name: str) -> Listed:
        """See `Listing`."""
        return _listed(name, self._root / name)


def _visible(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:  # not there yet, or no more
        return []
    except OSError as error:
        # What the system says quotes the path, which may name a patient.
        raise Unavailable(
            f"A folder of the landing zone cannot be read ({error.strerror}).",
            remedy="Check that Vigie may read all of it.",
        ) from None
    return sorted(visible, key=lambda entry: entry.name)


def _listed(name: str, path: Path) -> Listed:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return Listed.missing(name)
    return Listed(name, status.st_size, status.st_mtime_ns)


class BucketListing:
    """Reads pages of a thousand names, which S3 gives in order; a request a page, none a file."""

    def __init__(self, root: UPath) -> None:
        import boto3

        bucket, _, prefix = root.path.strip("/").partition("/")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._pages = boto3.client("s3").get_paginator("list_objects_v2")
        # Lists name files folder by folder.
        self._by_name = lru_cache(_FOLDERS_KEPT)(self._named_in)

    def folders(self) -> list[str]:
        """See `Listing`."""
        start = len(self._prefix)
        return [
            name
            for page in self._page(self._prefix, Delimiter="/")
            for item in page.get("CommonPrefixes", ())
            if not (name := item["Prefix"][start:].rstrip("/")).startswith(".")
        ]

    def files(self) -> Iterator[Listed]:
        """See `Listing`."""
        return self._listed(self._prefix, Delimiter="/")

    def files_under(self, folder: str) -> Iterator[Listed]:
        """See `Listing`."""
        return self._listed(f"{self._prefix}{folder}/")

    def look_up(self, name: str) -> Listed:
        """See `Listing`."""
        folder = posixpath.dirname(name)
        return self._by_name(folder).get(name) or Listed.missing(name)

    def _named_in(self, folder: str) -> dict[str, Listed]:
        inside = f"{self._prefix}{folder}/" if folder else self._prefix
        return {file.name: file for file in self._listed(inside, Delimiter="/")}

    def _listed(self, inside: str, **options: str) -> Iterator[Listed]:
        for page in self._page(inside, **options):
            for item in page.get("Contents", ()):
                name = item["Key"][len(self._prefix) :]
                is_folder = name.endswith("/")  # some clients mark folders by empty objects
                if not is_folder and not any(part.startswith(".") for part in name.split("/")):
                    yield Listed(name, item["Size"], item["ETag"])

    def _page(self, inside: str, **options: str) -> Iterator[dict[str, Any]]:
        pages: Iterator[dict[str, Any]] = self._pages.paginate(
            Bucket=self._bucket, Prefix=inside, **options
        )
        return iter(pages)
