"""Verbs of stages 4 to 9: train, experiments, export, evaluate, bless, gate."""

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from ml.cli.console import Overrides, RunKey, say, settings, show, show_table

Dataset = Annotated[str | None, typer.Option(help="Id of a dataset; default the newest.")]


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(train)
    app.command()(experiments)
    app.command()(export)
    app.command()(evaluate)
    app.command()(bless)
    app.command()(gate)
    app.command()(reproduce)


def new_run_key() -> str:
    """A key for a run started by hand."""
    return f"manual-{datetime.now(UTC):%Y%m%dT%H%M%S}"


def train(
    context: typer.Context,
    dataset: Dataset = None,
    run: Annotated[str | None, typer.Option(help="Key of the run; default a new one.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for model card and ledger.")] = "by hand",
    warm_start: Annotated[bool, typer.Option(help="Start from the incumbent's weights.")] = False,
    overrides: Overrides = None,
) -> None:
    """Train the members and fit their vote."""
    from ml.journey.ensemble import fit
    from ml.journey.results import Cause
    from ml.journey.train import start_run, train_member

    chosen = settings()
    workspace = chosen.workspace
    info = start_run(
        workspace,
        chosen.params(overrides or ()),
        dataset,
        run or new_run_key(),
        Cause(reason=reason, started_by=getpass.getuser()),
        warm_start=warm_start,
    )
    for member in info.members:
        train_member(workspace, info.run_key, member, on_epoch=say)
    definition = fit(workspace, info.run_key)
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in definition.members.items())
    show(context, info, f"Run [bold]{info.run_key}[/]: {weights}.")


def experiments(
    context: typer.Context, dataset: Dataset = None, overrides: Overrides = None
) -> None:
    """Run the five experiments, and what each remedy against rare classes does on its own."""
    from ml.cli.experiments import show_experiments
    from ml.journey.experiments import run_experiments

    chosen = settings()
    table = run_experiments(
        chosen.workspace, chosen.params(overrides or ()), dataset, on_progress=say
    )
    if context.obj.machine:
        show(context, table, "")
    else:
        show_experiments(table)


def export(context: typer.Context, run: RunKey = None) -> None:
    """Convert to ONNX, quantize, and seal the bundle."""
    from ml.journey.export import export_member, seal
    from ml.journey.newest import newest_run
    from ml.journey.run import Run

    workspace = settings().workspace
    key = run or newest_run(workspace)
    for member in Run.open(workspace, key).info.members:
        result = export_member(workspace, key, member)
        say(f"{member}: {result.precision} ({result.reason})")
    info = seal(workspace, key)
    show(
        context,
        info,
        f"Bundle [bold]{info.sha256[:12]}[/], {info.bytes / 2**20:.0f} MB: {info.folder}",
    )


def evaluate(context: typer.Context, run: RunKey = None) -> None:
    """Evaluate the served file on the test split."""
    from ml.journey.evaluate import evaluate as stage
    from ml.journey.newest import newest_run

    workspace = settings().workspace
    summary = stage(workspace, run or newest_run(workspace))
    show_table(
        context,
        f"Test split: {summary.images} images of {summary.groups} groups",
        ("metric", "estimate", "lower", "upper"),
        [
            (name.replace("_", " "), *(f"{v:.3f}" for v in (i.estimate, i.lower, i.upper)))
            for name, i in summary.headline.items()
        ],
        summary.model_dump(mode="json"),
    )


def bless(context: typer.Context, run: RunKey = None) -> None:
    """Start the real server on the candidate and compare its answers."""
    from ml.journey.bless import bless as stage
    from ml.journey.newest import newest_run

    workspace = settings().workspace
    blessing = stage(workspace, run or newest_run(workspace))
    verdict = "passed" if blessing.passed else "failed: " + "; ".join(blessing.failures)
    show(
        context,
        blessing,
        f"Blessing {verdict} (p99 {blessing.p99_ms:.0f} ms, {blessing.rss_mb:.0f} MB).",
    )


def gate(context: typer.Context, run: RunKey = None) -> None:
    """Decide from all the evidence whether the model may be promoted."""
    from ml.evaluation.verdicts import percent
    from ml.journey.gate import gate as stage
    from ml.journey.newest import newest_run

    workspace = settings().workspace
    decision = stage(workspace, run or newest_run(workspace))
    show_table(
        context,
        f"Gates: {'promote' if decision.promote else 'refuse'}"
        + (f", use {decision.wear.use} of this test split" if decision.wear else ""),
        ("gate", "verdict", "evidence", "bound", "confidence"),
        [
            (
                result.name.replace("_", " "),
                result.verdict,
                result.evidence,
                "" if result.bound is None else f"{result.bound:g}",
                percent(result.confidence) if result.confidence else "",
            )
            for result in decision.results
        ],
        decision.model_dump(mode="json"),
    )


def reproduce(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="Number of a registered version.")],
) -> None:
    """Rebuild a registered version from its dataset and parameters, and compare."""
    from ml.journey.reproduce import reproduce as stage

    result = stage(settings().workspace, version, on_epoch=say)
    for warning in result.warnings:
        say(f"Warning: {warning}")
    show_table(
        context,
        f"Version {version} and {result.run_key}: {'the same' if result.same else 'different'}",
        ("what", "recorded", "rebuilt"),
        [
            *(
                (
                    f"{item.member}: {'same' if item.same_weights else 'other'} weights",
                    f"{item.recorded_log_loss:.6f}",
                    f"{item.rebuilt_log_loss:.6f}",
                )
                for item in result.members
            ),
            *((m.name, f"{m.recorded:.6f}", f"{m.rebuilt:.6f}") for m in result.metrics),
        ],
        result.model_dump(mode="json"),
    )
