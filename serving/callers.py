"""Who asks: found from a request's headers, by key or token, and held to a rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ml.contract.api_keys import ApiKey, Scope
from serving.errors import NotAuthenticated, TooManyRequests

if TYPE_CHECKING:
    from serving.tokens import TokenChecker


@dataclass(frozen=True, slots=True)
class Caller:
    """`name` stands in logs: a key's id or a token's hashed subject. `owner` stands beside what the
    caller says: the name that the key was made for. `per_minute` is its own bound, if it has one.
    """

    name: str
    scopes: frozenset[Scope]
    per_minute: int | None = None
    owner: str = ""


class Keys(Protocol):
    """Finds a presented key."""

    def find(self, presented: str) -> ApiKey | None:
        """The key; None where it is unknown, wrong or expired."""
        ...


class Gate:
    """Lets in who has a key or a token; without keys and provider, everybody."""

    def __init__(
        self, keys: Keys | None, tokens: "TokenChecker | None", *, per_minute: int
    ) -> None:
        self._keys, self._tokens = keys, tokens
        self._usual = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    @property
    def is_open(self) -> bool:
        """Whether anybody may ask anything."""
        return self._keys is None and self._tokens is None

    def known(self, headers: Mapping[str, str]) -> Caller | None:
        """The caller, as far as that can be told at once; None for a token not seen before.

        Raises:
            NotAuthenticated: no key and no token, or one that is not accepted.
        """
        presented = headers.get("x-api-key") or _bearer(headers)
        if not presented:
            raise NotAuthenticated(
                "The request carries no key.",
                remedy="Send the header `X-API-Key` or `Authorization: Bearer`.",
            )
        key = self._keys.find(presented) if self._keys else None
        if key is not None:
            return Caller(f"key:{key.key_id}", key.scopes, key.per_minute, key.name)
        if self._tokens is not None and presented.count(".") == 2:
            return self._tokens.remembered(presented)
        raise NotAuthenticated(
            "The key is unknown or has expired.", remedy="Ask the operators for one."
        )

    def check_token(self, headers: Mapping[str, str]) -> Caller:
        """The caller behind a token that is seen for the first time; may wait for the provider.

        Raises:
            NotAuthenticated: the token is not accepted.
            Unavailable: the identity provider does not answer.
        """
        assert self._tokens is not None  # noqa: S101 - `known` let only tokens through
        return self._tokens.check(headers.get("x-api-key") or _bearer(headers))

    def count(self, caller: Caller) -> None:
        """Count one request of a caller.

        Raises:
            TooManyRequests: it asked as often in the last minute as it may.
        """
        limit: RateLimitItem = (
            self._usual if caller.per_minute is None else RateLimitItemPerMinute(caller.per_minute)
        )
        if self._limiter.hit(limit, caller.name):
            return
        reset, _ = self._limiter.get_window_stats(limit, caller.name)
        raise TooManyRequests.until(reset, limit.amount)


def _bearer(headers: Mapping[str, str]) -> str:
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""
