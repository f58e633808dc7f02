"""An archive that shows who made it and that nothing in it was changed, with ordinary tools alone.

Beside its files it holds `SHA256SUMS` (as `sha256sum` writes it), that file's Ed25519 signature
(RFC 8032) and the public key. It is stored without compression or times, so that all its bytes
follow from the signed files: no byte can change unnoticed, whatever ZIP makes of it.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from io import BytesIO
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
_UNIX = 3


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


def write_archive(path: Path, files: Mapping[str, bytes], key: Ed25519PrivateKey) -> None:
    """Write a ZIP of the files; the same files and key give the same bytes.

    Args:
        files: by their names in the archive.
    """
    sums = _sums(files)
    everything = {
        **files,
        SUMS: sums,
        SIGNATURE: key.sign(sums),
        PUBLIC_KEY: _pem(key.public_key()),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(_packed(everything))
    partial.replace(path)


def read_archive(path: Path, *, signer: str | None = None) -> dict[str, bytes]:
    """The files of an archive whose every byte was signed. Nothing is written anywhere.

    Args:
        signer: the fingerprint of the only key that counts; any if None.

    Raises:
        ArchiveBroken: it is damaged, changed, incomplete, or signed by another.
    """
    try:
        _check_size(path, path.stat().st_size)
        packed = path.read_bytes()
        with zipfile.ZipFile(BytesIO(packed)) as archive:
            _check_size(path, sum(item.file_size for item in archive.infolist()))
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
    if _packed(files) != packed:
        raise ArchiveBroken(f"{path.name} holds something beside its signed files.")
    return content


def _check_size(path: Path, size: int) -> None:
    if size > _MOST_BYTES:
        raise ArchiveBroken(f"{path.name} is larger than such an archive can be.")


def _check_signature(name: str, files: Mapping[str, bytes], signer: str | None) -> None:
    try:
        key = load_pem_public_key(files[PUBLIC_KEY])
        if not isinstance(key, Ed25519PublicKey):
            raise ArchiveBroken(f"{name} is signed with a key of another kind.")
        if files[PUBLIC_KEY] != _pem(key):
            raise ArchiveBroken(f"{name} holds something beside its key.")
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


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _packed(files: Mapping[str, bytes]) -> bytes:
    """The one ZIP of these files."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name)  # of 1980, as early as ZIP knows
            info.create_system = _UNIX
            info.external_attr = _READABLE << 16
            archive.writestr(info, files[name])
    return packed.getvalue()
