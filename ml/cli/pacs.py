"""The verb around the hospital's picture archive."""

import threading
from typing import Annotated

import typer

from ml.cli.console import Overrides, settings, show


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(pacs)


def pacs(
    context: typer.Context,
    watch: Annotated[
        bool, typer.Option("--watch/--once", help="Look again and again, until interrupted.")
    ] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=1)] = 10.0,
    overrides: Overrides = None,
) -> None:
    """Answer studies that became complete in the archive, and store the reports there."""
    from ml.journey.pacs import look_at_archive

    chosen = settings()
    pause = threading.Event()
    while True:
        seen = look_at_archive(
            chosen.workspace,
            chosen.params(overrides or ()),
            pacs_url=chosen.pacs_url,
            credentials=chosen.pacs_credentials,
            server_url=chosen.serving_url,
        )
        if not watch or seen.studies or seen.refused:
            show(
                context,
                seen,
                f"{seen.studies} studies answered ({seen.images} images, {seen.refused} refused), "
                f"{seen.known} had their report.",
            )
        if not watch or pause.wait(every):
            return
