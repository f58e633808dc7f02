"""Verbs around production: approve, promote, rollback, versions, serve, predict."""

import getpass
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from ml.cli.console import Overrides, RunKey, out, settings, show, show_table


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(approve)
    app.command()(promote)
    app.command()(rollback)
    app.command()(versions)
    app.command()(serve)
    app.command()(predict)


def approve(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.", prompt=True)],
    run: RunKey = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it instead.")] = False,
) -> None:
    """Approve a run's model, or refuse it, where `gates.approval` asks for a person."""
    from ml.journey.approval import record_approval, request_approval
    from ml.journey.newest import newest_run
    from ml.journey.promote import register

    workspace = settings().workspace
    key = run or newest_run(workspace)
    request = request_approval(workspace, key)
    if not context.obj.machine:
        out.print(Markdown(request.body))
    answer = record_approval(
        workspace,
        key,
        register(workspace, key),
        approved=not refuse,
        by=getpass.getuser(),
        reason=reason,
    )
    show(context, answer, f"{'Refused' if refuse else 'Approved'} by {answer.by}.")


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
    leaving: Annotated[
        str | None, typer.Option("--from", help="Only if this version is in production.")
    ] = None,
) -> None:
    """Put the previous version back in production."""
    from ml.journey.promote import in_production
    from ml.journey.promote import rollback as stage

    workspace = settings().workspace
    expected = leaving or in_production(workspace)
    promotion = stage(workspace, expected=expected, actor=getpass.getuser(), reason=reason)
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
    overrides: Overrides = None,
) -> None:
    """Answer for image files on this machine, without a server."""
    from ml.journey.predict import predict_files

    chosen = settings()
    limits = chosen.params(overrides or ()).data.limits
    answers = predict_files(chosen.workspace, files, bundle=bundle, alias=alias, limits=limits)
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
