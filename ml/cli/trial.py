"""Verbs around live traffic: canary, shadow, withdraw, guard."""

import getpass
import threading
from enum import StrEnum
from typing import Annotated

import typer

from ml.cli.console import Overrides, settings, show
from ml.monitoring.results import GuardResult

_Number = Annotated[str, typer.Argument(help="Number of a registered version.")]
_Reason = Annotated[str, typer.Option(help="Why, for the ledger.", prompt=True)]


class Trial(StrEnum):
    """What stands beside production."""

    canary = "canary"
    shadow = "shadow"


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(canary)
    app.command()(shadow)
    app.command()(withdraw)
    app.command()(guard)


def canary(
    context: typer.Context,
    version: _Number,
    reason: _Reason,
    weight: Annotated[float, typer.Option(help="Share of the requests that it answers.")] = 0.1,
) -> None:
    """Let a version that passed its gates answer a share of the requests."""
    from ml.journey.guard import start_canary

    started = start_canary(
        settings().workspace, version, weight=weight, actor=getpass.getuser(), reason=reason
    )
    show(
        context,
        started,
        f"Version [bold]{version}[/] is the canary and answers {100 * weight:g} % of requests. "
        "Watch it: vigie guard --watch",
    )


def shadow(context: typer.Context, version: _Number, reason: _Reason) -> None:
    """Score a version on what production answers; it answers nobody."""
    from ml.journey.guard import start_shadow

    started = start_shadow(settings().workspace, version, actor=getpass.getuser(), reason=reason)
    show(context, started, f"Version [bold]{version}[/] is the shadow.")


def withdraw(
    context: typer.Context,
    trial: Annotated[Trial, typer.Argument(help="What to end.")],
    reason: _Reason,
) -> None:
    """End the trial of the canary or the shadow."""
    from ml.journey.guard import end_trial

    ended = end_trial(settings().workspace, trial.value, actor=getpass.getuser(), reason=reason)
    show(context, ended, f"Version [bold]{ended.version}[/] is no longer the {trial.value}.")


def guard(
    context: typer.Context,
    watch: Annotated[
        bool, typer.Option("--watch/--once", help="Look again and again, until interrupted.")
    ] = False,
    overrides: Overrides = None,
) -> None:
    """Compare the canary with production, and withdraw it where it behaves otherwise."""
    from ml.journey.guard import Guard

    chosen = settings()
    watcher = Guard(chosen.workspace, chosen.params(overrides or ()))
    if not watch:
        result = watcher.look()
        show(context, result, _sentence(result))
        return
    said = ""
    for result in watcher.watch(threading.Event()):
        if (sentence := _sentence(result)) != said:
            show(context, result, sentence)
            said = sentence


def _sentence(result: GuardResult) -> str:
    lines = []
    if result.verdict is None:
        lines.append("There is no canary.")
    elif result.withdrawn:
        lines.append(f"Canary {result.version} [bold red]withdrawn[/]:")
    elif result.verdict.state == "insufficient":
        lines.append(f"Canary {result.version}: insufficient;")
    elif result.canary is not None:
        lines.append(f"Canary {result.version}: as production, on {result.canary.asked} images.")
    if result.verdict is not None:
        lines.append("; ".join(result.verdict.reasons))
    if result.shadow is not None:
        lines.append(
            f"Shadow {result.shadow.version}: {result.shadow.critical_disagreed} of "
            f"{result.shadow.scored} findings disagree with production on the critical label."
        )
    return " ".join(line for line in lines if line)
