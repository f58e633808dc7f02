"""Verbs around production: promote, rollback, versions, serve, predict, ledger."""

import getpass
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ml.cli.console import RunKey, settings, show, show_table


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(promote)
    app.command()(rollback)
    app.command()(versions)
    app.command()(serve)
    app.command()(predict)
    app.command()(ledger)


def promote(
    context: typer.Context,
    run: RunKey = None,
    reason: Annotated[str, typer.Option(help="For the ledger; default the run's.")] = "",
) -> None:
    """Register the run's model and, if the gates passed, move `production` to it."""
    from ml.journey.newest import newest_run
    from ml.journey.promote import promote as stage
    from ml.journey.promote import register

    workspace = settings().workspace
    key = run or newest_run(workspace)
    register(workspace, key)
    promotion = stage(workspace, key, actor=getpass.getuser(), reason=reason)
    show(
        context,
        promotion,
        f"Production is version [bold]{promotion.version}[/] (was {promotion.replaced or 'none'}).",
    )


def rollback(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.", prompt=True)],
) -> None:
    """Put the previous version back in production."""
    from ml.journey.promote import rollback as stage

    promotion = stage(settings().workspace, actor=getpass.getuser(), reason=reason)
    show(context, promotion, f"Production is version [bold]{promotion.version}[/] again.")


def versions(context: typer.Context) -> None:
    """Show which versions the aliases name."""
    from ml.journey.promote import aliases

    named = aliases(settings().workspace)
    show_table(
        context,
        "Versions by alias",
        ("alias", "version", "run", "bundle"),
        [
            (alias, item.version, item.run_key, item.bundle_sha256[:12])
            for alias, item in named.items()
        ],
        {alias: item.model_dump(mode="json") for alias, item in named.items()},
    )


def serve(
    bundle: Annotated[Path | None, typer.Option(help="Serve this folder, no registry.")] = None,
    alias: Annotated[str, typer.Option(help="Alias to follow.")] = "production",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port; default VIGIE_PORT.")] = None,
) -> None:
    """Serve the production model over HTTP, as the server process does."""
    chosen = settings()
    workspace = chosen.workspace
    command = [sys.executable, "-m", "serving", "--host", host, "--port", str(port or chosen.port)]
    command += ["--bundle", str(bundle)] if bundle else ["--alias", alias]
    environment = {
        **os.environ,
        "VIGIE_HOME": str(workspace.home),
        "VIGIE_DATABASE_URL": workspace.database_url,
        "MLFLOW_TRACKING_URI": workspace.tracking_uri,
    }
    try:
        raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def predict(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="PNG, JPEG, TIFF or DICOM files.")],
    bundle: Annotated[Path | None, typer.Option(help="Use this bundle.")] = None,
    alias: Annotated[str, typer.Option(help="Alias of the version to ask.")] = "production",
) -> None:
    """Answer for image files on this machine, without a server."""
    from ml.journey.predict import predict_files

    answers = predict_files(settings().workspace, files, bundle=bundle, alias=alias)
    show_table(
        context,
        "Research and education only. Not a diagnosis.",
        ("file", "label", "probability", "action", "reasons"),
        [
            (
                answer.file,
                answer.label or "-",
                f"{answer.probabilities[answer.label]:.3f}" if answer.label else "-",
                answer.action,
                "; ".join(answer.reasons),
            )
            for answer in answers
        ],
        [answer.model_dump(mode="json") for answer in answers],
    )


def ledger(context: typer.Context) -> None:
    """Show the ledger and verify its hash chain."""
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
