"""Verbs around the hospital's picture archive and its network."""

import logging
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ml.cli.console import Overrides, say, settings, show

if TYPE_CHECKING:
    from ml.pacs.results import AnswerRound, CollectRound

_PORT = 11112
"""What the receiver takes where none is set: IANA's for DICOM without privileges."""

Watch = Annotated[
    bool, typer.Option("--watch/--once", help="Look again and again, until interrupted.")
]
Every = Annotated[float, typer.Option(help="Seconds between two looks.", min=1)]


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(pacs)
    app.command()(collect)
    app.command()(receive)


def pacs(
    context: typer.Context,
    watch: Watch = False,
    every: Every = 10.0,
    overrides: Overrides = None,
) -> None:
    """Answer studies that became complete in the archive, and store the reports there."""
    from ml.journey.pacs_answer import answer

    chosen = settings()
    params = chosen.params(overrides or ())

    def look() -> None:
        seen = answer(
            chosen.workspace,
            params,
            chosen.archive,
            server_url=chosen.serving_url,
            server_headers=chosen.serving_headers,
        )
        if not watch or seen.studies or seen.refused or seen.failed or seen.given_up:
            show(
                context,
                seen,
                f"{seen.studies} studies answered ({seen.images} images, {seen.refused} refused), "
                f"{seen.known} had their report{_unreported(seen.unreported)}"
                f"{_troubled(seen)}.",
            )

    _repeat(look, every if watch else None)


def collect(
    context: typer.Context,
    watch: Watch = False,
    every: Every = 10.0,
    overrides: Overrides = None,
) -> None:
    """Land the images of studies that became complete in the archive, de-identified."""
    from ml.journey.pacs_collect import collect as stage

    chosen = settings()
    params = chosen.params(overrides or ())

    def look() -> None:
        seen = stage(chosen.workspace, params, chosen.archive)
        if not watch or seen.landed or seen.refused or seen.failed or seen.given_up:
            show(
                context,
                seen,
                f"{seen.studies} studies: {seen.landed} images landed, {seen.known} were there, "
                f"{seen.refused} refused{_troubled(seen)}.",
            )

    _repeat(look, every if watch else None)


def receive(overrides: Overrides = None) -> None:
    """Take images that the DICOM network sends (C-STORE), until interrupted.

    They land de-identified. Address, port, title and peers are VIGIE_DICOM_* and VIGIE_AE_TITLE.
    """
    from ml.journey.pacs_receive import receive as stage

    # What became of each association is this command's only output.
    logging.getLogger("ml").setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # A trace could quote what somebody sent.
    threading.excepthook = lambda failed: say(f"A connection failed: {failed.exc_type.__name__}.")
    chosen = settings()
    stage(
        chosen.workspace,
        chosen.params(overrides or ()),
        title=chosen.ae_title,
        host=chosen.dicom_host,
        port=chosen.dicom_port or _PORT,
        peers=chosen.dicom_peers,
        tls=(chosen.dicom_certificate, chosen.dicom_key, chosen.dicom_authority),
        stop=stop,
    )


def _unreported(studies: int) -> str:
    return f"; {studies} have no report: none of their images was analysed" if studies else ""


def _troubled(seen: "AnswerRound | CollectRound") -> str:
    later = f"; {seen.failed} are tried again later" if seen.failed else ""
    never = f"; {seen.given_up} are given up: the log says why" if seen.given_up else ""
    return later + never


def _repeat(look: Callable[[], None], every: float | None) -> None:
    """Once, or again every so many seconds."""
    pause = threading.Event()
    look()
    while every is not None and not pause.wait(every):
        look()
