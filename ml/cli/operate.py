"""Verbs of operation: drift, retrain, the local stack, the demo."""

from typing import Annotated

import typer

from ml.cli.console import Overrides, settings, show


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(drift)
    app.command()(retrain)
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(demo)


def drift(context: typer.Context, overrides: Overrides = None) -> None:
    """Report on what production saw lately."""
    from ml.journey.drift import watch

    chosen = settings()
    result = watch(chosen.workspace, chosen.params(overrides or ()))
    folder = chosen.workspace.drift_reports / result.report_id
    show(
        context,
        result,
        f"{result.images} images: [bold]{result.state}[/]. Report: {folder / 'report.html'}",
    )


def retrain(context: typer.Context, overrides: Overrides = None) -> None:
    """Tell whether the drift so far asks for a new model."""
    from ml.journey.retrain import decide

    chosen = settings()
    decision = decide(chosen.workspace, chosen.params(overrides or ()))
    show(context, decision, f"Retrain: {'yes' if decision.retrain else 'no'}, {decision.reason}.")


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
