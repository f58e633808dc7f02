"""Verbs of the ledger: show it, verify it, trace an answer, export the evidence of a version."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict

from ml.cli.console import settings, show, show_table

_group = typer.Typer(invoke_without_command=True)


class Verified(BaseModel):
    """How many lines hold."""

    model_config = ConfigDict(frozen=True)

    lines: int


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.add_typer(_group, name="ledger")


@_group.callback()
def ledger(context: typer.Context) -> None:
    """Show the ledger and verify its hash chain; or one of the verbs below."""
    if context.invoked_subcommand is not None:
        return
    from ml.journey.run import database_of
    from ml.store import ledger as lines

    database = database_of(settings().workspace)
    entries = lines.read(database)
    lines.verify(database)
    show_table(
        context,
        f"{len(entries)} entries, chain intact",
        ("#", "at", "who", "what", "subject", "reason"),
        [
            (
                str(entry.sequence),
                f"{entry.at:%Y-%m-%d %H:%M:%S}",
                entry.actor,
                entry.action,
                entry.subject,
                entry.reason,
            )
            for entry in entries
        ],
        [entry.model_dump(mode="json") for entry in entries],
    )


@_group.command()
def verify(
    context: typer.Context,
    archive: Annotated[
        Path | None, typer.Argument(help="An exported archive; default this installation's ledger.")
    ] = None,
    signer: Annotated[
        str | None, typer.Option(help="Fingerprint of the only key that counts.")
    ] = None,
) -> None:
    """Check that no line was changed, in the database or in an exported archive."""
    if archive is not None:
        from ml.journey.change_pack import check_pack

        count = check_pack(archive, signer=signer)
    else:
        from ml.journey.run import database_of
        from ml.store.ledger import verify as check

        count = check(database_of(settings().workspace))
    show(context, Verified(lines=count), f"{count} lines, chain intact.")


@_group.command()
def trace(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="The image file that was asked about.")
    ] = None,
    request: Annotated[str | None, typer.Option(help="Or the answer's request id.")] = None,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Answers of this day (UTC) only.")
    ] = None,
) -> None:
    """Tell which model read an image, trained on what, and who let it into production."""
    from ml.journey.trace import trace as look

    chosen = settings()
    found = look(
        chosen.workspace,
        chosen.params(),
        file=file,
        request_id=request,
        day=day.date() if day else None,
    )
    show_table(
        context,
        f"{len(found)} answers",
        ("answered (UTC)", "answer", "model", "trained on", "who let it in"),
        [
            (
                f"{item.at:%Y-%m-%d %H:%M:%S}",
                f"{item.label}, {item.decision}",
                f"version {item.version} ({item.bundle[:12]})",
                f"dataset {item.dataset_id or '?'}, code {(item.git_commit or '?')[:12]}",
                "\n".join(item.acts) or "no line of the ledger",
            )
            for item in found
        ],
        [item.model_dump(mode="json") for item in found],
    )


@_group.command()
def export(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="Number of the version.")],
    target: Annotated[Path, typer.Argument(help="Archive to write (.zip).")],
) -> None:
    """Write the evidence of a version as one signed archive that opens without the platform."""
    from ml.journey.change_pack import export_pack

    made = export_pack(settings().workspace, version, target)
    show(
        context,
        made,
        f"{made.path}: {len(made.files)} files about version {made.version}, signed by "
        f"[bold]{made.signer[:16]}[/]…\nCheck it with: vigie ledger verify {made.path}",
    )
