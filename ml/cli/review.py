"""Verbs of the review list: images that a person should look at."""

import getpass
from typing import Annotated

import typer

from ml.cli.console import Overrides, settings, show, show_table
from ml.contract.errors import InvalidParams
from ml.contract.records import QUEUE_KINDS, ReviewItem, ReviewKind

_group = typer.Typer(help="Images that a person should look at.", no_args_is_help=True)


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.add_typer(_group, name="review")


@_group.command(name="list")
def list_items(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Decided and moot ones too.")] = False,
    kind: Annotated[ReviewKind | None, typer.Option(help="Of this kind only.")] = None,
) -> None:
    """Show what is open, oldest first."""
    from ml.journey.run import database_of
    from ml.store.review import read_review

    database = database_of(settings().workspace)
    items = read_review(database, state=None if everything else "open", kind=kind)
    show_table(
        context,
        f"{len(items)} images to look at" if not everything else f"{len(items)} items",
        ("id", "image", "label", "why", "since", "state"),
        [
            (
                item.review_id,
                item.image_id[:12],
                str(item.evidence.get("label", "")),
                _why(item),
                f"{item.since:%Y-%m-%d}",
                item.state if item.label is None else f"{item.state}: {item.label}",
            )
            for item in items
        ],
        [item.model_dump(mode="json") for item in items],
    )


@_group.command()
def queue(context: typer.Context, overrides: Overrides = None) -> None:
    """Choose what persons label on the server's page among images that production answered."""
    from ml.journey.review_queue import queue as choose

    chosen = settings()
    result = choose(chosen.workspace, chosen.params(overrides or ()))
    added = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in result.queued.items())
    show(context, result, f"Queued: {added or 'nothing new'}.")


@_group.command()
def land(context: typer.Context, overrides: Overrides = None) -> None:
    """Let labelled images land, for the next ingest."""
    from ml.journey.review_landing import land as let_land

    chosen = settings()
    result = let_land(chosen.workspace, chosen.params(overrides or ()))
    show(context, result, f"{result.images} labelled images landed.")


@_group.command()
def decide(
    context: typer.Context,
    review_id: Annotated[str, typer.Argument(help="Its id, as `vigie review list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why, for the ledger.", prompt=True)],
    label: Annotated[str | None, typer.Option(help="The right label.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="It is right as it is.")] = False,
    revise: Annotated[bool, typer.Option("--revise", help="Decide again.")] = False,
    overrides: Overrides = None,
) -> None:
    """Settle one: the next dataset follows, and the ledger knows who decided."""
    from ml.journey.review import decide as settle

    if keep == (label is not None):
        raise InvalidParams("Nothing was decided.", remedy="Give either --label or --keep.")
    chosen = settings()
    item = settle(
        chosen.workspace,
        chosen.params(overrides or ()),
        review_id,
        label=label,
        reason=reason,
        actor=getpass.getuser(),
        revise=revise,
    )
    what = f"is {item.label} from the next dataset on" if item.label else "stays as it is"
    show(context, item, f"Image {item.image_id[:12]} {what}; the ledger has it.")


def _why(item: ReviewItem) -> str:
    told = item.evidence
    if item.kind == "conflict":
        return f"a copy or look-alike is {_listed(told.get('others'))}"
    if item.kind in QUEUE_KINDS:
        return f"{item.kind.replace('_', ' ')}, answered on {told.get('day')}"
    if item.kind == "tie":
        return f"joins {told.get('images')} past images of {_listed(told.get('splits'))}"
    return f"answers say {told.get('suggested')} (fit {told.get('quality')})"


def _listed(names: object) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list) else ""
