"""Verbs of operation: drift, retrain, the local stack, the demo."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ml.cli.console import Overrides, settings, show
from ml.settings import Settings


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(drift)
    app.command()(retrain)
    app.command()(archive)
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(demo)


def drift(
    context: typer.Context,
    until: Annotated[
        datetime | None, typer.Option(help="End of the window, in UTC; default now.")
    ] = None,
    trend: Annotated[
        bool, typer.Option("--trend", help="Only put the reports so far on one page.")
    ] = False,
    overrides: Overrides = None,
) -> None:
    """Report on what production saw in the days before a moment."""
    chosen = settings()
    if trend:
        _trend(context, chosen, overrides)
        return
    from ml.journey.drift import watch

    end = until and until.replace(tzinfo=UTC)
    report = watch(chosen.workspace, chosen.params(overrides or ()), until=end)
    drift = report.drift
    show(
        context,
        report,
        f"{drift.window.images} images: [bold]{drift.state}[/], {drift.reason}. "
        f"Report: {_folder(drift.report) / 'summary.html'}",
    )


def _folder(report: str | None) -> Path:
    return Path(report or "").parent


def _trend(context: typer.Context, chosen: Settings, overrides: Overrides) -> None:
    from ml.journey.trend import write_trend

    trend = write_trend(chosen.workspace, chosen.params(overrides or ()))
    show(context, trend, f"{len(trend.periods)} reports of a year: {trend.page}")


def retrain(context: typer.Context, overrides: Overrides = None) -> None:
    """Tell whether the drift so far asks for a new model."""
    from ml.journey.retrain import decide

    chosen = settings()
    decision = decide(chosen.workspace, chosen.params(overrides or ()))
    show(context, decision, f"Retrain: {'yes' if decision.retrain else 'no'}, {decision.reason}.")


def archive(context: typer.Context, overrides: Overrides = None) -> None:
    """Move answers older than `monitoring.keep_days` from the database into files."""
    from ml.journey.archive import archive as move

    chosen = settings()
    moved = move(chosen.workspace, chosen.params(overrides or ()))
    show(
        context,
        moved,
        f"{moved.rows} answers of {len(moved.days)} days before {moved.before} archived.",
    )


def up() -> None:
    """Start the local stack: Airflow, MLflow and the serving API."""
    from ml.stack.local import up as start

    start(settings())


def down() -> None:
    """Stop every process of the local stack."""
    from ml.stack.local import down as stop

    stop(settings())


def status() -> None:
    """Show the local stack's processes and whether they answer."""
    from ml.stack.local import status as look

    look(settings())


def demo(
    images: Annotated[int, typer.Option(help="Phantom images to draw.")] = 2600,
) -> None:
    """Take phantom images through the whole journey on the local stack."""
    from ml.stack.demo import run_demo

    run_demo(settings(), images=images)
