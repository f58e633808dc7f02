import traceback
from pathlib import Path

import pytest

from ml.contract.decoding import DecodeLimits
from ml.contract.errors import ImageTooLarge, Unavailable
from ml.data.delivered import MissingFile, delivered
from ml.data.listing import FolderListing
from ml.data.results import IncomingImage

UNREADABLE = Path("/proc/self/mem")  # the system opens it, and refuses to read its first byte


def _read(source: Path, name: str, limits: DecodeLimits | None = None) -> bytes:
    image = IncomingImage(path=name, label=None, fingerprint="f")
    ((_, read),) = delivered(source, [image], limits or DecodeLimits())
    return read()


def test_a_file_is_read_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"content")
    assert _read(tmp_path, "a.png") == b"content"


@pytest.mark.parametrize("name", ["b.png", "../a.png", "/etc/hostname", ".", "x" * 300, "a\0.png"])
def test_what_is_not_in_the_delivery_is_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingFile):
        _read(tmp_path, name)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bytes(11))
    with pytest.raises(ImageTooLarge):
        _read(tmp_path, "a.png", DecodeLimits(max_bytes=10))


@pytest.mark.skipif(not UNREADABLE.exists(), reason="there is no /proc here")
def test_what_cannot_be_read_is_told_without_its_name(tmp_path: Path) -> None:
    (tmp_path / "Doe^Jane.png").symlink_to(UNREADABLE)
    with pytest.raises(Unavailable, match="cannot be read") as refused:
        _read(tmp_path, "Doe^Jane.png")
    assert "Doe^Jane.png" not in "".join(traceback.format_exception(refused.value)[-1:])
    assert refused.value.__suppress_context__


def test_a_folder_that_cannot_be_listed_is_told_without_its_name(tmp_path: Path) -> None:
    (tmp_path / "Doe^Jane").write_bytes(b"no folder")
    with pytest.raises(Unavailable, match="cannot be read") as refused:
        list(FolderListing(tmp_path).files_under("Doe^Jane"))
    assert "Doe" not in str(refused.value)
    assert refused.value.__suppress_context__
