"""Verbs of safekeeping: back up, restore."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli.console import settings, show

_AT = typer.Option("--at", help="Beginning of a backup's name; default the newest.")


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(backup)
    app.command()(restore)


def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where backups are kept, on another disk.")],
    secrets: Annotated[
        Path | None,
        typer.Option(help="Keep the keys, too: in this folder, never beside the images."),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Backups that stay; older ones go. Default all."),
    ] = None,
) -> None:
    """Back up databases, images, datasets, runs, models and reports, while everything runs."""
    from ml.stack.backup import back_up
    from ml.stack.installation import Installation

    made = back_up(Installation.of(settings()), folder, keys=secrets, keep=keep)
    keys = f"The keys are in {secrets}." if secrets else "The keys are not in it: see --secrets."
    gone = [f"Removed: {name.split('.')[0]}." for name in made.removed]
    show(
        context,
        made,
        f"[bold]{made.name.split('.')[0]}[/]: {made.files} files and the databases "
        f"{', '.join(made.databases) or '(none)'}, {made.bytes / 1e6:,.1f} MB, of which "
        f"{made.new_bytes / 1e6:,.1f} MB in {made.new_files} files are new.\n"
        + "\n".join([keys, *(f"Not in it: {what}." for what in made.left_out), *gone]),
    )


def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where backups are kept.")],
    at: Annotated[str | None, _AT] = None,
    secrets: Annotated[Path | None, typer.Option(help="Folder of the keys.")] = None,
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="You put VIGIE_HOME/secrets back yourself.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only read all of the backup; touch nothing.")
    ] = False,
) -> None:
    """Restore a backup into an empty VIGIE_HOME and empty databases."""
    from ml.stack.installation import Installation
    from ml.stack.restore import check_backup
    from ml.stack.restore import restore as bring_back

    if check:
        found = check_backup(folder, at)
        show(context, found, f"{found.backup} is whole: {found.files} files, as they were made.")
        return
    chosen = settings()
    found = bring_back(
        Installation.of(chosen), folder, at=at, keys=secrets, without_keys=without_secrets
    )
    show(
        context,
        found,
        f"{found.backup} is back in {chosen.workspace.home}: {found.files} files and the databases "
        f"{', '.join(found.databases) or '(none)'}. Look at it with: vigie ledger verify",
    )
