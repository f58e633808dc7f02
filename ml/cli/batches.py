"""Verbs of batches: what became of each, and a decision on one that is held."""

import getpass
from typing import Annotated

import typer

from ml.cli.console import Overrides, settings, show, show_table

_group = typer.Typer(invoke_without_command=True)
_SHOWN = 20

BatchId = Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning of it.")]
Reason = Annotated[str, typer.Option(help="Why, for the ledger.", prompt=True)]


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.add_typer(_group, name="batches")


@_group.callback()
def batches(
    context: typer.Context,
    held: Annotated[bool, typer.Option("--held", help="Only those that wait for you.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Not the newest alone.")] = False,
) -> None:
    """List the newest batches and what became of them; or one of the verbs below."""
    from ml.journey.batches import batches as list_all

    if context.invoked_subcommand is not None:
        return
    known = list_all(settings().workspace)
    chosen = [item for item in known if not held or item.state == "held"]
    shown = chosen if everything or held else chosen[:_SHOWN]
    show_table(
        context,
        f"{len(shown)} of {len(known)} batches",
        ("id", "planned", "files", "state", "verdict"),
        [
            (
                item.batch_id,
                f"{item.planned_at:%Y-%m-%d %H:%M}",
                f"{item.files:,}",
                item.state,
                item.report.verdict if item.report else "",
            )
            for item in shown
        ],
        [item.model_dump(mode="json") for item in shown],
    )


@_group.command("show")
def show_one(context: typer.Context, batch_id: BatchId) -> None:
    """Show a batch's verdict, its reasons and its page."""
    from ml.journey.batches import batch

    item = batch(settings().workspace, batch_id)
    rows = [("state", item.state), ("files", f"{item.files:,}")]
    if item.report is not None:
        report = item.report
        rows += [
            ("verdict", report.verdict),
            *(("held because", reason) for reason in report.held_because),
            *(("rejected", f"{count:,} {reason}") for reason, count in report.rejected.items()),
            *(("warning", warning) for warning in report.warnings),
            *(("not judged", reason) for reason in report.unjudged),
            ("page", report.docs or "-"),
        ]
    show_table(context, f"Batch {item.batch_id}", ("", ""), rows, item.model_dump(mode="json"))


@_group.command()
def accept(
    context: typer.Context, batch_id: BatchId, reason: Reason, overrides: Overrides = None
) -> None:
    """Take a held batch as it is; its rejected files go to quarantine all the same."""
    from ml.journey.batches import accept as decide

    chosen = settings()
    report = decide(
        chosen.workspace,
        chosen.params(overrides or ()),
        batch_id,
        reason=reason,
        actor=getpass.getuser(),
    )
    show(context, report, f"{report.verdict} Next: vigie dataset")


@_group.command()
def discard(context: typer.Context, batch_id: BatchId, reason: Reason) -> None:
    """Turn a held batch away; its files are not looked at again."""
    from ml.journey.batches import discard as decide

    report = decide(settings().workspace, batch_id, reason=reason, actor=getpass.getuser())
    show(context, report, report.verdict)
