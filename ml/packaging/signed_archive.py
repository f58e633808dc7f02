"""An archive that shows who made it and that nothing in it was changed, with ordinary tools alone.

Beside its files it holds `SHA256SUMS` (as `sha256sum` writes it), that file's Ed25519 signature
(RFC 8032) and the public key.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ml.contract.errors import InputError, InvalidParams

SUMS, SIGNATURE, PUBLIC_KEY = "SHA256SUMS", "SHA256SUMS.sig", "public_key.pem"
_MOST_BYTES = 512 * 2**20
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700
_READABLE = 0o644


class ArchiveBroken(InputError):
    """An archive is not what was signed, or was signed by somebody else."""

    code = "archive-broken"


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The installation's key, made on first use and readable by its owner alone.

    Raises:
        InvalidParams: the file holds another kind of key.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        path.touch(mode=_PRIVATE_FILE, exist_ok=False)
        made = Ed25519PrivateKey.generate()
        path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise InvalidParams(
            f"{path.name} is no private key.", remedy="Restore it, or move it away."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidParams(f"{path.name} is no Ed25519 key.", remedy="Name another file.")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """By which a public key is known: sha256 of its DER form, hex."""
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def write_archive(
    path: Path, files: Mapping[str, bytes], key: Ed25519PrivateKey, *, at: datetime
) -> None:
    """Write a ZIP of the files; the same files, key and time give the same bytes.

    Args:
        files: by their names in the archive.
        at: the time of every file in it.
    """
    sums = _sums(files)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    everything = {**files, SUMS: sums, SIGNATURE: key.sign(sums), PUBLIC_KEY: public}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(everything):
            info = zipfile.ZipInfo(name, at.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = _READABLE << 16
            archive.writestr(info, everything[name])
    partial.replace(path)


def read_archive(path: Path, *, signer: str | None = None) -> dict[str, bytes]:
    """The files of an archive whose every byte was signed. Nothing is written anywhere.

    Args:
        signer: the fingerprint of the only key that counts; any if None.

    Raises:
        ArchiveBroken: it is damaged, changed, incomplete, or signed by another.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > _MOST_BYTES:
                raise ArchiveBroken(f"{path.name} is larger than such an archive can be.")
            files = {item.filename: archive.read(item) for item in archive.infolist()}
            if len(files) != len(archive.infolist()):
                raise ArchiveBroken(f"{path.name} names a file twice.")
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
        raise ArchiveBroken(f"{path.name} cannot be read ({type(error).__name__}).") from error
    except Exception as error:  # zlib.error and what else a damaged stream brings forth
        if isinstance(error, ArchiveBroken):
            raise
        raise ArchiveBroken(f"{path.name} is damaged ({type(error).__name__}).") from error
    _check_signature(path.name, files, signer)
    unsigned = {SUMS, SIGNATURE, PUBLIC_KEY}
    content = {name: data for name, data in files.items() if name not in unsigned}
    if any(PurePosixPath(name).is_absolute() or ".." in name.split("/") for name in content):
        raise ArchiveBroken(f"{path.name} names a file outside itself.")
    if _sums(content) != files[SUMS]:
        raise ArchiveBroken(f"A file in {path.name} is not the one that was signed.")
    return content


def _check_signature(name: str, files: Mapping[str, bytes], signer: str | None) -> None:
    try:
        key = load_pem_public_key(files[PUBLIC_KEY])
        if not isinstance(key, Ed25519PublicKey):
            raise ArchiveBroken(f"{name} is signed with a key of another kind.")
        key.verify(files[SIGNATURE], files[SUMS])
    except (KeyError, ValueError, InvalidSignature) as error:
        raise ArchiveBroken(f"{name} has no signature that holds.") from error
    if signer is not None and fingerprint(key) != signer:
        raise ArchiveBroken(
            f"{name} was signed by {fingerprint(key)[:16]}….",
            remedy="Ask whoever gave it to you for the fingerprint of their key.",
        )


def _sums(files: Mapping[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return "".join(lines).encode()
