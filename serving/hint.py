"""The registry's webhook: believed only as a hint to look, and only with its signature.

MLflow signs `{delivery id}.{timestamp}.{body}` with HMAC-SHA256 and sends `v1,` and the base64 of
the digest (https://mlflow.org/docs/latest/ml/webhooks/#hmac-signature-verification).
"""

import base64
import binascii
import hashlib
import hmac
import re

from serving.errors import HookRefused

MAX_AGE_SECONDS = 300
_VERSION = "v1,"


def check_hint(
    secret: str, body: bytes, *, signature: str, delivery: str, timestamp: str, now: float
) -> None:
    """Check a delivery as it was received.

    Args:
        signature, delivery, timestamp: the headers of these names.
        now: seconds since 1970.

    Raises:
        HookRefused: the signature does not fit, or the timestamp is over five minutes from `now`.
    """
    signed = f"{delivery}.{timestamp}.".encode() + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    if not hmac.compare_digest(expected, _digest(signature)):
        raise HookRefused(
            "The signature does not fit the body.",
            remedy="Give MLflow's webhook the secret of VIGIE_WEBHOOK_SECRET.",
        )
    # Whoever recorded a delivery could send it again: the timestamp is signed with it.
    if not re.fullmatch(r"\d{1,12}", timestamp) or abs(now - int(timestamp)) > MAX_AGE_SECONDS:
        raise HookRefused(
            f"The delivery is not of the last {MAX_AGE_SECONDS} s.",
            remedy="See that both clocks are right; the server looks by itself meanwhile.",
        )


def _digest(signature: str) -> bytes:
    if not signature.startswith(_VERSION):
        return b""
    try:
        return base64.b64decode(signature.removeprefix(_VERSION), validate=True)
    except (binascii.Error, ValueError):
        return b""
