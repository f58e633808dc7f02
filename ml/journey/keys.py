"""API keys are made and ended by a person, and the ledger knows."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ml.contract.api_keys import (
    ApiKey,
    KeyRing,
    Scope,
    issue,
    read_keys,
    write_keys,
    write_private,
)
from ml.journey.workspace import Workspace


class MadeKey(BaseModel):
    """A new key: `key` is shown once and kept nowhere."""

    model_config = ConfigDict(frozen=True)

    key: str
    key_id: str
    name: str
    scopes: list[str]


class ProvidedKey(BaseModel):
    """Whether a key was made, or a good one was there."""

    model_config = ConfigDict(frozen=True)

    made: bool


def add_key(
    workspace: Workspace,
    key_file: Path,
    name: str,
    scopes: Collection[Scope],
    *,
    expires_at: datetime | None = None,
    per_minute: int | None = None,
    actor: str,
) -> MadeKey:
    """Make a key and add it to the file.

    Raises:
        InvalidParams: a name or rate that a key cannot have, or a file that is not a key file.
    """
    key, kept = issue(
        name, scopes, now=datetime.now(UTC), expires_at=expires_at, per_minute=per_minute
    )
    with _changing(key_file) as ring:
        _tell(workspace, kept, actor=actor, reason="key made")
        write_keys(key_file, ring.having(kept))
    return _made(key, kept)


def provide_key(
    workspace: Workspace,
    key_file: Path,
    name: str,
    scopes: Collection[Scope],
    *,
    target: Path,
    actor: str,
) -> ProvidedKey:
    """Make a key for a process of ours and leave it in a file, unless a good one is there.

    Args:
        target: gets the key, readable by its owner alone.
    """
    if target.is_file() and key_file.is_file():
        found = read_keys(key_file).find(target.read_text().strip(), datetime.now(UTC))
        if found is not None and found.scopes == frozenset(scopes):
            return ProvidedKey(made=False)
    made = add_key(workspace, key_file, name, scopes, actor=actor)
    write_private(target, made.key + "\n")
    return ProvidedKey(made=True)


def rotate_key(
    workspace: Workspace, key_file: Path, key_id: str, *, overlap: timedelta, actor: str
) -> MadeKey:
    """Make a key like another one, which ends after `overlap`.

    Raises:
        NotFound: no such key.
    """
    now = datetime.now(UTC)
    with _changing(key_file) as ring:
        old = ring.get(key_id)
        key, kept = issue(old.name, old.scopes, now=now, per_minute=old.per_minute)
        ends = min(now + overlap, old.expires_at or now + overlap)
        _tell(workspace, kept, actor=actor, reason=f"takes the place of {key_id}")
        write_keys(key_file, ring.having(old.model_copy(update={"expires_at": ends})).having(kept))
    return _made(key, kept)


def revoke_key(
    workspace: Workspace, key_file: Path, key_id: str, *, reason: str, actor: str
) -> ApiKey:
    """End a key at once.

    Raises:
        NotFound: no such key.
    """
    with _changing(key_file) as ring:
        gone = ring.get(key_id)
        write_keys(key_file, ring.without(key_id))
        _tell(workspace, gone, actor=actor, reason=f"key ended: {reason}")
    return gone


@contextmanager
def _changing(key_file: Path) -> Iterator[KeyRing]:
    from ml.data.locking import locked

    with locked(key_file.parent):
        yield read_keys(key_file) if key_file.is_file() else KeyRing(())


def _tell(workspace: Workspace, key: ApiKey, *, actor: str, reason: str) -> None:
    from ml.journey.run import database_of
    from ml.store.ledger import append

    append(
        database_of(workspace),
        actor=actor,
        action="key",
        subject=f"key/{key.key_id}",
        reason=reason,
        evidence={"name": key.name, "scopes": sorted(key.scopes)},
    )


def _made(key: str, kept: ApiKey) -> MadeKey:
    return MadeKey(key=key, key_id=kept.key_id, name=kept.name, scopes=sorted(kept.scopes))
