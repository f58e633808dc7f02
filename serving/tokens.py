"""OpenID Connect: bearer tokens of an identity provider, checked with the keys it publishes."""

import hashlib
import threading
import time
from collections import OrderedDict
from typing import Any

from ml.contract.api_keys import SCOPES, Scope
from ml.contract.errors import InvalidParams, Unavailable
from serving.callers import Caller
from serving.errors import NotAuthenticated

# Never "none", and never a shared secret: the provider's public key must not sign.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
_LEEWAY_SECONDS = 30
_KEY_SECONDS = 5
_REMEMBERED = 1024


class TokenChecker:
    """Thread-safe. A token's scopes are those of its claim `scope` (or `scp`) that begin with
    `vigie:`, as in `vigie:predict vigie:feedback`.

    A checked token is remembered until it expires, by its hash.
    """

    def __init__(self, *, issuer: str, audience: str, jwks_url: str) -> None:
        """Nothing is fetched before the first token.

        Raises:
            InvalidParams: the extra `oidc` is not installed.
        """
        try:
            import jwt
        except ImportError as error:
            raise InvalidParams(
                "VIGIE_OIDC_ISSUER is set, but tokens cannot be checked.",
                remedy="Install the extra `oidc`, or unset it.",
            ) from error
        self._jwt = jwt
        self._issuer, self._audience = issuer, audience
        self._keys = jwt.PyJWKClient(jwks_url, timeout=_KEY_SECONDS)
        self._known: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._lock = threading.Lock()

    def remembered(self, token: str) -> Caller | None:
        """Whose token it is, if it was checked before and has not expired."""
        with self._lock:
            until, caller = self._known.get(_name(token), (0.0, None))
        return caller if time.time() < until else None

    def check(self, token: str) -> Caller:
        """Whose token it is; may ask the provider for its keys, so not for the event loop.

        Raises:
            NotAuthenticated: it is not a token of this provider for this server, or has expired.
            Unavailable: the provider's keys cannot be fetched.
        """
        jwt = self._jwt
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "sub"]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise Unavailable(
                "The identity provider's keys cannot be fetched.",
                remedy="See that VIGIE_OIDC_JWKS_URL answers.",
            ) from error
        except jwt.PyJWTError as error:
            raise NotAuthenticated(
                f"The token is not accepted ({type(error).__name__}).",
                remedy="Ask the identity provider for a fresh one.",
            ) from error
        # A subject may be a person's name or address: its hash tells callers apart as well.
        name = hashlib.sha256(f"{self._issuer} {claims['sub']}".encode()).hexdigest()[:12]
        caller = Caller(f"oidc:{name}", _scopes(claims))
        with self._lock:
            self._known[_name(token)] = (float(claims["exp"]), caller)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return caller


def _scopes(claims: dict[str, Any]) -> frozenset[Scope]:
    told = claims.get("scope", claims.get("scp", ""))
    names = told.split() if isinstance(told, str) else told if isinstance(told, list) else []
    return frozenset(scope for scope in SCOPES if f"vigie:{scope}" in names)


def _name(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
