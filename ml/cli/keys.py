"""Verbs for API keys: who may ask the server for what."""

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from ml.cli.console import settings, show, show_table
from ml.contract.api_keys import SCOPES, KeyRing, Scope
from ml.contract.errors import InvalidParams

_group = typer.Typer(help="API keys: who may ask the server for what.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="Its id, as `vigie keys list` shows it.")]
Scopes = Annotated[list[str], typer.Option("--scope", help=f"One of {', '.join(SCOPES)}; repeat.")]
Days = Annotated[int | None, typer.Option(help="Days until the key expires; default never.", min=1)]


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.add_typer(_group, name="keys")


@_group.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Who will use it: a system or a team, no patient.")],
    scopes: Scopes,
    days: Days = None,
    per_minute: Annotated[int | None, typer.Option(help="Requests a minute.", min=1)] = None,
) -> None:
    """Make a key and show it once; running servers know it within a second."""
    from ml.journey.keys import add_key

    chosen = settings()
    made = add_key(
        chosen.workspace,
        chosen.key_file,
        name,
        _scopes(scopes),
        expires_at=_after(days),
        per_minute=per_minute,
        actor=getpass.getuser(),
    )
    show(context, made, f"{made.key}\n[dim]Keep it now: only its hash is stored.[/]")


@_group.command()
def provide(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The process that will use it.")],
    target: Annotated[Path, typer.Argument(help="File that gets the key.")],
    scopes: Scopes,
) -> None:
    """Leave a key in a file for a process of ours, unless a good one is there."""
    from ml.journey.keys import provide_key

    chosen = settings()
    provided = provide_key(
        chosen.workspace,
        chosen.key_file,
        name,
        _scopes(scopes),
        target=target,
        actor=getpass.getuser(),
    )
    told = "A key was made." if provided.made else "A good key is there already."
    show(context, provided, told)


@_group.command(name="list")
def list_keys(context: typer.Context) -> None:
    """Show the keys, without what would let anybody in."""
    from ml.contract.api_keys import read_keys

    path: Path = settings().key_file
    keys = (read_keys(path) if path.is_file() else KeyRing(())).keys
    now = datetime.now(UTC)
    show_table(
        context,
        f"{len(keys)} keys",
        ("id", "name", "scopes", "made", "expires"),
        [
            (
                key.key_id,
                key.name,
                ", ".join(sorted(key.scopes)),
                f"{key.created_at:%Y-%m-%d}",
                _told(key.expires_at, valid=key.is_valid(now)),
            )
            for key in keys
        ],
        [key.model_dump(mode="json", exclude={"sha256"}) for key in keys],
    )


@_group.command()
def rotate(
    context: typer.Context,
    key_id: KeyId,
    hours: Annotated[float, typer.Option(help="How long the old key is still good.", min=0)] = 24.0,
) -> None:
    """Make a key like this one; the old one ends after some hours, without a restart."""
    from ml.journey.keys import rotate_key

    chosen = settings()
    overlap = timedelta(hours=hours)
    made = rotate_key(
        chosen.workspace, chosen.key_file, key_id, overlap=overlap, actor=getpass.getuser()
    )
    show(context, made, f"{made.key}\n[dim]The old key ends in {hours:g} hours.[/]")


@_group.command()
def revoke(
    context: typer.Context,
    key_id: KeyId,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.", prompt=True)],
) -> None:
    """End a key at once."""
    from ml.journey.keys import revoke_key

    chosen = settings()
    gone = revoke_key(
        chosen.workspace, chosen.key_file, key_id, reason=reason, actor=getpass.getuser()
    )
    show(context, gone, f"The key {gone.key_id} ({gone.name}) is no longer good.")


def _scopes(names: list[str]) -> list[Scope]:
    known = [scope for scope in SCOPES if scope in names]
    if unknown := set(names) - set(known):
        raise InvalidParams(
            f"There is no scope {', '.join(sorted(unknown))}.",
            remedy=f"Scopes are {', '.join(SCOPES)}.",
        )
    return known


def _after(days: int | None) -> datetime | None:
    return None if days is None else datetime.now(UTC) + timedelta(days=days)


def _told(expires_at: datetime | None, *, valid: bool) -> str:
    if expires_at is None:
        return "never"
    return f"{expires_at:%Y-%m-%d %H:%M}" if valid else "expired"
