"""`vigie run`: stages 1 to 10 in one process, without Airflow."""

import getpass
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict

from ml.cli.console import Overrides, say, settings, show
from ml.cli.data import ingest_folder
from ml.cli.model import new_run_key
from ml.contract.errors import NothingToIngest
from ml.data.storage import place
from ml.evaluation.gate_results import GateDecision
from ml.evaluation.results import PaperComparison


class JourneySummary(BaseModel):
    """What one run of the journey came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_key: str
    dataset_id: str
    version: str
    bundle_sha256: str
    promoted: bool
    reasons: list[str]
    metrics: dict[str, tuple[float, float, float]]
    paper: list[PaperComparison]


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verb."""
    app.command()(run)


def run(
    context: typer.Context,
    folder: Annotated[str, typer.Argument(help="DIR/<label>/* or a CSV, s3:// too.")],
    paper_split: Annotated[
        bool, typer.Option(help="Train again on a random split, for comparison.")
    ] = True,
    overrides: Overrides = None,
) -> None:
    """Take images to a registered and, if the gates pass, promoted model."""
    summary = take_journey(folder, overrides, paper_split=paper_split)
    show(context, summary, _tell(summary))


def take_journey(folder: str, overrides: list[str] | None, *, paper_split: bool) -> JourneySummary:
    """Stages 1 to 10. A refusal by the gates is a result, not an error."""
    from ml.journey.approval import request_approval
    from ml.journey.bless import bless
    from ml.journey.dataset import freeze
    from ml.journey.ensemble import fit
    from ml.journey.evaluate import evaluate
    from ml.journey.export import export_member, seal
    from ml.journey.gate import gate
    from ml.journey.paper import compare_splits
    from ml.journey.promote import promote, register
    from ml.journey.results import Cause
    from ml.journey.train import start_run, train_member
    from ml.journey.validate import validate

    chosen = settings()
    workspace, params = chosen.workspace, chosen.params(overrides or ())
    try:
        batch = ingest_folder(folder, overrides)
        say(validate(workspace, params, batch.batch_id).verdict)
    except NothingToIngest as nothing:
        say(f"{nothing.message} Going on with what is stored.")
    dataset = freeze(workspace, params)
    say(f"Dataset {dataset.dataset_id}: {dataset.images} images of {dataset.groups} groups.")
    cause = Cause(reason=f"vigie run {place(folder).name}", started_by=getpass.getuser())
    info = start_run(workspace, params, dataset.dataset_id, new_run_key(), cause)
    for member in info.members:
        train_member(workspace, info.run_key, member, on_epoch=say)
    fit(workspace, info.run_key)
    for member in info.members:
        export = export_member(workspace, info.run_key, member)
        say(f"{member}: {export.precision} ({export.reason})")
    bundle = seal(workspace, info.run_key)
    paper = compare_splits(workspace, info.run_key, on_epoch=say) if paper_split else []
    evaluation = evaluate(workspace, info.run_key)
    bless(workspace, info.run_key)
    decision = gate(workspace, info.run_key)
    version = register(workspace, info.run_key)
    asked = request_approval(workspace, info.run_key)
    promoted = decision.promote and not asked.needed
    if promoted:
        promote(workspace, info.run_key, actor="vigie run")
    _show_gates(decision)
    if asked.needed:
        say(f"It waits for a person, because {asked.why}: vigie approve, then vigie promote.")
    return JourneySummary(
        run_key=info.run_key,
        dataset_id=dataset.dataset_id,
        version=version.version,
        bundle_sha256=bundle.sha256,
        promoted=promoted,
        reasons=decision.reasons,
        metrics={
            name: (interval.estimate, interval.lower, interval.upper)
            for name, interval in evaluation.headline.items()
        },
        paper=paper,
    )


def _show_gates(decision: GateDecision) -> None:
    for result in decision.results:
        colour = {"pass": "green", "refuse": "red"}.get(result.verdict, "yellow")
        say(f"[{colour}]{result.verdict:>12}[/] {result.name}: {result.evidence}")


def _tell(summary: JourneySummary) -> str:
    lines = [f"\n[bold]Run {summary.run_key}[/], dataset {summary.dataset_id}"]
    lines += [
        f"  {name.replace('_', ' '):<22} {estimate:.3f}  ({lower:.3f} to {upper:.3f})"
        for name, (estimate, lower, upper) in summary.metrics.items()
    ]
    lines += [
        f"  {item.member}: accuracy {item.honest_accuracy:.3f} on the honest split, "
        f"{item.paper_accuracy:.3f} on the paper split"
        for item in summary.paper
    ]
    if summary.promoted:
        lines.append(f"[green]Version {summary.version} is in production.[/] Next: vigie serve")
    else:
        lines.append(f"[yellow]Version {summary.version} was refused[/] and stays the challenger:")
        lines += [f"  • {reason}" for reason in summary.reasons]
        lines.append("To look at it all the same: vigie serve --alias challenger")
    return "\n".join(lines)
