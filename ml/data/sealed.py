"""Bytes that only the holder of the installation's key can read: what still names a patient."""

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ml.contract.errors import VigieError

_PURPOSE = b"vigie sealed files"
_KEY_BYTES = 32


class SealBroken(VigieError):
    """Sealed bytes were altered, or sealed with another key."""

    code = "seal-broken"


class Seal:
    """Encrypts and authenticates bytes (Fernet: AES-128-CBC and HMAC-SHA256).

    Its key follows from the pseudonym key, which lies outside the store: who copies the store
    reads none of it.
    """

    def __init__(self, pseudonym_key: bytes) -> None:
        derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_PURPOSE).derive(pseudonym_key)
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def close(self, data: bytes) -> bytes:
        """Seal bytes; the same bytes never give the same seal twice."""
        return self._fernet.encrypt(data)

    def open(self, sealed: bytes) -> bytes:
        """The bytes that were sealed.

        Raises:
            SealBroken: they were altered, or another key sealed them.
        """
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise SealBroken(
                "A sealed file cannot be opened.",
                remedy="Use the pseudonym key it was written with, or deliver the file again.",
            ) from error
