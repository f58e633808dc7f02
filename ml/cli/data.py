"""Verbs of stages 1 to 3: ingest, validate, dataset; and a look at a folder before."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from ml.cli.console import Overrides, progress, settings, show, show_table
from ml.data.results import BatchResult, Judgement
from ml.data.storage import place

_dataset = typer.Typer(invoke_without_command=True)

BatchId = Annotated[str | None, typer.Option("--batch", help="Id of a batch; default the newest.")]


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(ingest)
    app.command()(validate)
    app.add_typer(_dataset, name="dataset")
    app.command()(audit)
    app.command()(phantoms)


def ingest_folder(
    folder: str | None, overrides: list[str] | None, workers: int | None = None
) -> BatchResult:
    """Plan, ingest and merge one batch with a progress bar."""
    from ml.journey import ingest as stage

    chosen = settings()
    workspace, params = chosen.workspace, chosen.params(overrides or ())
    batch = stage.plan(workspace, params, place(folder) if folder else None)
    with progress("Ingesting", batch.images) as advance:
        workers = workers or os.cpu_count() or 1
        stage.ingest_shards(workspace, params, batch, workers=workers, on_progress=advance)
    return stage.merge(workspace, batch.batch_id)


def ingest(
    context: typer.Context,
    folder: Annotated[
        str | None,
        typer.Argument(help="DIR/<label>/* or a CSV, s3:// too; default the landing zone."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Shards at a time; default one a core.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Collect, decode, de-identify, hash and measure new images."""
    result = ingest_folder(folder, overrides, workers)
    show(
        context,
        result,
        f"Batch [bold]{result.batch_id}[/]: {result.rows} images, {result.rejected} unreadable.",
    )


def validate(
    context: typer.Context,
    batch: BatchId = None,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="All that was ever accepted, not one batch.")
    ] = False,
    overrides: Overrides = None,
) -> None:
    """Validate a batch with Great Expectations; rejects go to quarantine."""
    from ml.journey.newest import newest_batch
    from ml.journey.validate import check_manifest
    from ml.journey.validate import validate as stage

    chosen = settings()
    workspace, params = chosen.workspace, chosen.params(overrides or ())
    if manifest:
        whole = check_manifest(workspace, params)
        warned = "".join(f"\n  • {warning}" for warning in whole.warnings)
        show(context, whole, f"{whole.verdict}{warned}\nPage: {whole.docs}")
        return
    report = stage(workspace, params, batch or newest_batch(workspace))
    show(context, report, report.verdict)


@_dataset.command()
def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(help="Id of a dataset.")],
    after: Annotated[str, typer.Argument(help="Id of a later one.")],
) -> None:
    """Show what changed between two datasets."""
    from ml.journey.dataset import diff as compare

    found = compare(settings().workspace, before, after)
    changes = [
        ("images", f"{found.images_before} → {found.images_after}"),
        ("groups", f"{found.groups_before} → {found.groups_after}"),
        ("added, removed", f"{found.added}, {found.removed}"),
        ("with another label", f"{found.relabelled_images}"),
        ("in another split", ", ".join(f"{n} {how}" for how, n in found.moved.items()) or "none"),
        ("into or out of the test split", f"{found.test_touched}"),
        ("in a group of other images", f"{found.regrouped}"),
    ]
    changes += [
        (f"{column}: {value}", f"{old} → {new}")
        for column, values in found.counts.items()
        for value, (old, new) in values.items()
        if old != new
    ]
    changes += [
        (f"parameter {name}", f"{old} → {new}") for name, (old, new) in found.parameters.items()
    ]
    show_table(context, f"{before} → {after}", ("", ""), changes, found.model_dump(mode="json"))


@_dataset.callback()
def dataset(context: typer.Context, overrides: Overrides = None) -> None:
    """Freeze all accepted images into a split dataset; or one of the verbs below."""
    if context.invoked_subcommand is not None:
        return
    from ml.journey.dataset import freeze

    chosen = settings()
    info = freeze(chosen.workspace, chosen.params(overrides or ()))
    classes = ", ".join(f"{count} {label}" for label, count in info.per_class.items())
    left_out = f" {info.set_aside} images tied to past tests left out." if info.set_aside else ""
    show(
        context,
        info,
        f"Dataset [bold]{info.dataset_id}[/]: {info.images} images of {info.groups} groups "
        f"({classes}).{left_out} Card: {info.card}",
    )


def audit(
    context: typer.Context,
    folder: Annotated[str, typer.Argument(help="DIR/<label>/* or a CSV, s3:// too.")],
    overrides: Overrides = None,
) -> None:
    """Look for copies and look-alikes in a folder, and tell what a random split would hide."""
    from ml.data.deidentify import Deidentifier
    from ml.data.folder_audit import audit_folder
    from ml.data.landing import discover, source_folder

    params = settings().params(overrides or ()).data
    # Nothing is kept: a key of the moment does.
    by = Deidentifier(secrets.token_bytes(32))
    source = place(folder)
    files = list(discover(source, labels=params.labels, by=by))
    with progress("Looking", len(files)) as advance:
        found = audit_folder(source_folder(source), files, params, on_progress=advance)
    conflicting = "".join(f"\n  {path}" for path in found.conflicting_copies)
    lines = [
        ("images", f"{found.images} of {found.files} files, in {found.groups} groups"),
        ("exact copies", f"{found.exact_copies}"),
        ("copies, other label", f"{len(found.conflicting_copies)}{conflicting}"),
        ("with a near-duplicate by hash", f"{found.hash_twin_share:.1%}"),
        ("or a twin by descriptor", f"{found.twin_share:.1%}"),
        ("look like another label", f"{found.twins_across_labels}"),
        ("1-NN, folds of images", _told(found.random_split)),
        ("1-NN, folds of groups", _told(found.grouped_split)),
    ]
    show_table(context, f"Audit of {folder}", ("", ""), lines, found.model_dump(mode="json"))


def _told(judgement: Judgement | None) -> str:
    if judgement is None:
        return "too few groups of a label, or too many images"
    recall = ", ".join(f"{label} {share:.1%}" for label, share in judgement.recall.items())
    return f"{judgement.accuracy:.1%} right ({recall})"


def phantoms(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to write; must not exist yet.")],
    images: Annotated[int, typer.Option(help="Images to draw.")] = 600,
    seed: Annotated[int, typer.Option(help="The same seed draws the same images.")] = 20,
) -> None:
    """Draw a cohort of synthetic ultrasound images, for trying things out."""
    from ml.data.phantoms import CohortSpec, write_cohort

    with progress("Drawing", images) as advance:
        summary = write_cohort(
            CohortSpec(images=images, seed=seed), folder, on_progress=lambda _: advance()
        )
    show(context, summary, f"{images} phantoms in {folder}. Next: vigie run {folder}")
