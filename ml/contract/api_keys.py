"""API keys: who may ask a server for what. The file holds hashes only, never a key.

A key carries 256 random bits, so one round of SHA-256 hides it: what slow password hashes protect
is what people can remember (OWASP Password Storage Cheat Sheet).
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ml.contract.errors import InvalidParams, NotFound

Scope = Literal["predict", "feedback", "review", "metrics", "admin"]
"""What a key may be used for; `admin` is all of it."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
_KEY = re.compile(r"vigie_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_ID_BYTES, _SECRET_BYTES = 6, 32


class ApiKey(BaseModel):
    """One key as it is kept. `sha256` is of the whole key; `per_minute` bounds its requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")
    scopes: frozenset[Scope] = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    per_minute: int | None = Field(None, ge=1)

    def is_valid(self, now: datetime) -> bool:
        """Whether the key has not expired."""
        return self.expires_at is None or now < self.expires_at


def allows(held: Collection[Scope], needed: Scope) -> bool:
    """Whether these scopes are enough."""
    return needed in held or "admin" in held


def issue(
    name: str,
    scopes: Collection[Scope],
    *,
    now: datetime,
    expires_at: datetime | None = None,
    per_minute: int | None = None,
) -> tuple[str, ApiKey]:
    """Make a key; returns it, to be shown once, and what is kept of it.

    Raises:
        InvalidParams: a name, scope, time or rate that a key cannot have.
    """
    key_id = secrets.token_hex(_ID_BYTES)
    key = f"vigie_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    try:
        kept = ApiKey(
            key_id=key_id,
            name=name,
            scopes=frozenset(scopes),
            sha256=_digest(key),
            created_at=now,
            expires_at=expires_at,
            per_minute=per_minute,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidParams(
            f"No such key can be made: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
            remedy=f"Scopes are {', '.join(SCOPES)}.",
        ) from error
    return key, kept


class KeyRing:
    """The keys of one file, by their ids."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = {key.key_id: key for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> list[ApiKey]:
        """All keys, oldest first."""
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.key_id))

    def find(self, presented: str, now: datetime) -> ApiKey | None:
        """The key that was presented; None where it is unknown, wrong or expired."""
        match = _KEY.fullmatch(presented)
        kept = self._keys.get(match[1]) if match else None
        if kept is None or not hmac.compare_digest(kept.sha256, _digest(presented)):
            return None
        return kept if kept.is_valid(now) else None

    def get(self, key_id: str) -> ApiKey:
        """A key by its id.

        Raises:
            NotFound: no such key.
        """
        if key_id not in self._keys:
            raise NotFound(f"There is no key {key_id!r}.", remedy="See `vigie keys list`.")
        return self._keys[key_id]

    def having(self, key: ApiKey) -> "KeyRing":
        """These keys and this one, which takes the place of one of its id."""
        return KeyRing({**self._keys, key.key_id: key}.values())

    def without(self, key_id: str) -> "KeyRing":
        """These keys but one."""
        return KeyRing(key for key in self._keys.values() if key.key_id != key_id)


def read_keys(path: Path) -> KeyRing:
    """The keys of a file.

    Raises:
        InvalidParams: it is not a key file; keys that cannot be read let nobody in.
    """
    try:
        items = json.loads(path.read_text(encoding="utf-8"))["keys"]
        return KeyRing(ApiKey.model_validate(item) for item in items)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidParams(
            f"The key file {path.name} cannot be read ({type(error).__name__}).",
            remedy="Restore it, or make keys anew with `vigie keys add`.",
        ) from error


def write_keys(path: Path, ring: KeyRing) -> None:
    """Replace a key file as a whole; readable by its owner alone."""
    content = {"keys": [key.model_dump(mode="json") for key in ring.keys]}
    write_private(path, json.dumps(content, indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file under a temporary name, then rename; readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
