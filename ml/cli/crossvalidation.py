"""The verb `crossvalidate`, and its table."""

import os
from typing import Annotated

import typer
from rich.table import Table

from ml.cli.console import Overrides, out, say, settings, show
from ml.cli.measured import cell, measured_table
from ml.evaluation.experiment_table import ExperimentMetrics
from ml.evaluation.results import EvaluationReport
from ml.journey.crossvalidate import Crossvalidation, PooledMetrics


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verb."""
    app.command()(crossvalidate)


def crossvalidate(
    context: typer.Context,
    dataset: Annotated[
        str | None, typer.Option(help="Id of a dataset; default the newest.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts; each is the test part once.")] = 5,
    paper: Annotated[bool, typer.Option(help="Also with a random split, for comparison.")] = True,
    processes: Annotated[int, typer.Option(min=1, help="Members trained side by side.")] = (
        os.cpu_count() or 1
    ),
    overrides: Overrides = None,
) -> None:
    """Judge the recipe where one test split is too small: grouped k-fold, answers pooled."""
    from ml.journey.crossvalidate import crossvalidate as stage

    chosen = settings()
    result = stage(
        chosen.workspace,
        chosen.params(overrides or ()),
        dataset,
        folds=folds,
        paper=paper,
        processes=processes,
        on_progress=say,
    )
    if context.obj.machine:
        show(context, result, "")
    else:
        show_crossvalidation(result)


def show_crossvalidation(result: Crossvalidation) -> None:
    """Print both splits: the vote, the vote under its thresholds, and each member alone."""
    table = measured_table(
        f"{result.images} images of {result.groups} groups, {result.honest.folds} folds; "
        f"{result.confidence:.0%} intervals",
        ["accuracy", "macro-F1", f"{result.critical_label} AUC", "sensitivity", "precision"],
    )
    for pooled in (result.honest, result.paper):
        if pooled is not None:
            _add_split(table, pooled)
    out.print(table)
    if result.label_suspects:
        out.print(f"{result.label_suspects} labels look doubtful: vigie review list --kind suspect")


def _add_split(table: Table, pooled: PooledMetrics) -> None:
    table.add_row(f"[bold]{pooled.split} split,\nvote[/]", *_cells(pooled.vote))
    table.add_row("  with its\n  thresholds", *_cells_of_report(pooled.report))
    for name, metrics in pooled.members.items():
        table.add_row(
            f"  {name} alone\n  [dim]weight {pooled.weights[name]:.2f}[/]", *_cells(metrics)
        )


def _cells(metrics: ExperimentMetrics) -> list[str]:
    return [
        cell(interval)
        for interval in (
            metrics.accuracy,
            metrics.macro_f1,
            metrics.critical_auc,
            metrics.critical_sensitivity,
            metrics.critical_precision,
        )
    ]


def _cells_of_report(report: EvaluationReport) -> list[str]:
    critical = report.per_label[report.labels.index(report.critical_label)]
    return [
        cell(interval)
        for interval in (
            report.accuracy,
            report.macro_f1,
            critical.auc,
            critical.sensitivity,
            critical.precision,
        )
    ]
