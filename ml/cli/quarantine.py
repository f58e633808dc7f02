"""Verbs of quarantine: list, show, release and discard refused files."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml.cli.console import Overrides, settings, show, show_table

if TYPE_CHECKING:
    from ml.data.quarantine_record import Event, Fault, QuarantinedImage

_group = typer.Typer(invoke_without_command=True)

Ids = Annotated[
    list[str] | None, typer.Argument(help="Ids, or their beginnings, as `vigie quarantine` shows.")
]
Code = Annotated[str | None, typer.Option("--code", help="Only files with this fault.")]
Batch = Annotated[str | None, typer.Option("--batch", help="Only files of this batch.")]
Reason = Annotated[str, typer.Option(help="Why, for the ledger.", prompt=True)]


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.add_typer(_group, name="quarantine")


@_group.callback()
def quarantine(
    context: typer.Context,
    code: Code = None,
    batch: Batch = None,
    everything: Annotated[bool, typer.Option("--all", help="Those decided on, too.")] = False,
) -> None:
    """List refused files that wait for a decision; or one of the verbs below."""
    from ml.journey.quarantine import chosen

    if context.invoked_subcommand is not None:
        return
    state = None if everything else "waiting"
    files = chosen(settings().workspace, code=code, batch=batch, state=state)  # type: ignore[arg-type]
    show_table(
        context,
        f"{len(files)} files in quarantine",
        ("id", "code", "reasons", "label", "batch", "last seen", "state"),
        [
            (
                item.quarantine_id[:12],
                item.code,
                "; ".join(item.reasons),
                item.label or "-",
                item.batch_id,
                f"{item.last_seen:%Y-%m-%d}",
                item.state,
            )
            for item in files
        ],
        [item.model_dump(mode="json") for item in files],
    )


@_group.command("show")
def show_one(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning of it.")],
    export: Annotated[
        Path | None,
        typer.Option(help="Write the file there, as delivered: it may name its patient."),
    ] = None,
) -> None:
    """Show why a file was refused and what became of it."""
    from ml.journey.quarantine import chosen
    from ml.journey.quarantine import export as write

    workspace = settings().workspace
    (item,) = chosen(workspace, [identity])
    rows = [
        ("id", item.quarantine_id),
        ("state", item.state),
        *(("fault", _told(fault)) for fault in item.faults),
        ("label", item.label or "-"),
        ("site", item.site or "-"),
        ("batch", item.batch_id),
        ("kept", f"{item.content}, {item.file_bytes:,} bytes"),
        *((f"{event.at:%Y-%m-%d %H:%M}", _happened(event)) for event in item.history),
    ]
    if export is not None:
        rows.append(("written", str(write(workspace, item, export, actor=getpass.getuser()))))
    show_table(context, f"Quarantined {item.code}", ("", ""), rows, item.model_dump(mode="json"))


@_group.command()
def release(
    context: typer.Context,
    reason: Reason,
    identities: Ids = None,
    code: Code = None,
    batch: Batch = None,
    label: Annotated[str | None, typer.Option(help="In the place of the delivered one.")] = None,
    overrides: Overrides = None,
) -> None:
    """Let files come to the next ingest, past the expectations that they fail."""
    from ml.journey.quarantine import release as decide

    chosen = settings()
    files = _chosen(identities, code, batch)
    done = decide(
        chosen.workspace,
        chosen.params(overrides or ()),
        files,
        reason=reason,
        actor=getpass.getuser(),
        label=label,
    )
    coming = sum(item.state == "released" for item in done)
    ruled = len(done) - coming
    told = [f"With the next ingest come in: {coming}."] if coming else []
    told += [f"Labels that count from the next dataset on: {ruled}."] if ruled else []
    show(context, done, " ".join(told) or "No file was chosen.")


@_group.command()
def discard(
    context: typer.Context,
    reason: Reason,
    identities: Ids = None,
    code: Code = None,
    batch: Batch = None,
) -> None:
    """Destroy files' content for good; the record of each stays."""
    from ml.journey.quarantine import discard as decide

    files = _chosen(identities, code, batch)
    done = decide(settings().workspace, files, reason=reason, actor=getpass.getuser())
    show(context, done, f"Discarded: {len(done)}.")


def _chosen(
    identities: list[str] | None, code: str | None, batch: str | None
) -> "list[QuarantinedImage]":
    from ml.journey.quarantine import chosen

    if not (identities or code or batch):
        raise typer.BadParameter("Name ids, or choose by --code or --batch.")
    return chosen(settings().workspace, identities or (), code=code, batch=batch)


def _happened(event: "Event") -> str:
    what = "refused" if event.state == "waiting" else event.state
    return f"{what} by {event.by}" + (f": {event.reason}" if event.reason else "")


def _told(fault: "Fault") -> str:
    if fault.observed is None:
        return f"{fault.code}: {fault.reason}"
    bounds = ", ".join(
        f"{name.replace('_', ' ')} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in fault.bound.items()
    )
    return f"{fault.code}: {fault.reason} ({fault.column} is {fault.observed:g}; {bounds})"
