"""Encrypted associations: DICOM over TLS (PS3.15, annex B.12, BCP 195)."""

import ssl
from pathlib import Path

from ml.contract.errors import InvalidParams

_REMEDY = (
    "Set VIGIE_DICOM_CERTIFICATE and VIGIE_DICOM_KEY to PEM files, or neither; with both, "
    "VIGIE_DICOM_AUTHORITY may name whose certificates callers have to show."
)


def server_context(
    certificate: Path | None, key: Path | None, authority: Path | None
) -> ssl.SSLContext | None:
    """How the receiver speaks TLS; None where it does not.

    Args:
        certificate: the receiver's chain, PEM.
        key: its private key, PEM.
        authority: certificates, PEM, of which one must have signed each caller's; None lets
            callers without a certificate in.

    Raises:
        InvalidParams: a file is missing, damaged, or not of the others.
    """
    if certificate is None and key is None and authority is None:
        return None
    if certificate is None or key is None:
        raise InvalidParams(
            "A certificate needs its key, and a key its certificate.", remedy=_REMEDY
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if authority is not None:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise InvalidParams(
            f"The files for TLS cannot be used: {error.strerror or error}.", remedy=_REMEDY
        ) from error
    return context
