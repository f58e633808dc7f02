"""Verbs of stages 1 to 3: ingest, validate, dataset, quarantine; and a look at a folder before."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli.console import Overrides, progress, settings, show, show_table
from ml.data.results import BatchResult, Judgement

BatchId = Annotated[str | None, typer.Option("--batch", help="Id of a batch; default the newest.")]


def add_verbs(app: typer.Typer) -> None:
    """Register this module's verbs."""
    app.command()(ingest)
    app.command()(validate)
    app.command()(dataset)
    app.command()(quarantine)
    app.command()(audit)
    app.command()(phantoms)


def ingest_folder(folder: Path | None, overrides: list[str] | None) -> BatchResult:
    """Plan, ingest and merge one batch with a progress bar."""
    from ml.journey import ingest as stage

    chosen = settings()
    workspace, params = chosen.workspace, chosen.params(overrides or ())
    batch = stage.plan(workspace, params, folder)
    with progress("Ingesting", sum(len(shard) for shard in batch.shards)) as advance:
        for index in range(len(batch.shards)):
            stage.ingest_shard(workspace, params, batch.batch_id, index, on_progress=advance)
    return stage.merge(workspace, batch.batch_id)


def ingest(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(help="DIR/<label>/* or a CSV; default the landing zone.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Collect, decode, de-identify, hash and measure new images."""
    result = ingest_folder(folder, overrides)
    show(
        context,
        result,
        f"Batch [bold]{result.batch_id}[/]: {result.rows} images, {result.rejected} unreadable.",
    )


def validate(context: typer.Context, batch: BatchId = None, overrides: Overrides = None) -> None:
    """Validate a batch with Great Expectations; rejects go to quarantine."""
    from ml.journey.newest import newest_batch
    from ml.journey.validate import validate as stage

    chosen = settings()
    workspace = chosen.workspace
    report = stage(workspace, chosen.params(overrides or ()), batch or newest_batch(workspace))
    show(context, report, report.verdict)


def dataset(context: typer.Context, overrides: Overrides = None) -> None:
    """Freeze all accepted images into a split dataset."""
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


def quarantine(context: typer.Context) -> None:
    """List the rejected files with their reasons."""
    from ml.data.quarantine import Quarantine

    items = Quarantine(settings().workspace.quarantine).list()
    show_table(
        context,
        f"{len(items)} files in quarantine",
        ("id", "code", "reasons"),
        [(item.quarantine_id[:12], item.code, "; ".join(item.reasons)) for item in items],
        [item.model_dump(mode="json") for item in items],
    )


def audit(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="DIR/<label>/* or a CSV.")],
    overrides: Overrides = None,
) -> None:
    """Look for copies and look-alikes in a folder, and tell what a random split would hide."""
    from ml.data.folder_audit import audit_folder
    from ml.data.landing import discover, source_folder

    params = settings().params(overrides or ()).data
    files = discover(folder, labels=params.labels)
    with progress("Looking", len(files)) as advance:
        found = audit_folder(source_folder(folder), files, params, on_progress=advance)
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
