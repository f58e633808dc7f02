"""Stage 2, validate: Great Expectations over the batch; rejects go to quarantine with reasons."""

from collections.abc import Mapping

from ml.contract.errors import ManifestDamaged, NotFound
from ml.data.results import BatchDecision, ManifestReport, ValidationReport
from ml.data.storage import reaching
from ml.journey.quarantine import expire, quarantine_of
from ml.journey.review import reviewed
from ml.journey.run import one_writer
from ml.journey.workspace import Workspace
from ml.params import Params


def validate(
    workspace: Workspace,
    params: Params,
    batch_id: str,
    *,
    decision: BatchDecision | None = None,
) -> ValidationReport:
    """Validate a merged batch and commit its accepted rows to the manifest.

    Args:
        decision: a person's, to take the batch although it would be held.

    Raises:
        BatchHeld: too much of the batch is wrong; nothing was committed.
        Unavailable: a bucket or the database does not answer.
    """
    from ml.data.image_store import ImageStore
    from ml.data.sealed import Seal
    from ml.data.validate import validate_batch

    decided = reviewed(workspace)
    with one_writer(workspace), reaching():
        report = validate_batch(
            batch_folder=workspace.batch(batch_id),
            manifest_folder=workspace.manifest,
            suites=workspace.expectations,
            params=params.data,
            quarantine=quarantine_of(workspace),
            store=ImageStore(workspace.images),
            seal=Seal(workspace.pseudonym_key()),
            class_mix=_last_class_mix(workspace),
            settled_labels=decided.images,
            decision=decision,
            docs_folder=workspace.validation_docs(batch_id),
        )
        expire(workspace, params)
    return report


def check_manifest(workspace: Workspace, params: Params) -> ManifestReport:
    """Check the whole manifest as it lies there; leaves its page of Data Docs.

    Raises:
        ManifestDamaged: it is not what validation wrote.
        Unavailable: a bucket or the database does not answer.
    """
    from ml.data.assessment import suite_parameters
    from ml.data.checkpoint import Checkpoints
    from ml.data.data_docs import write_data_docs
    from ml.data.manifest_check import check_manifest as check

    checkpoints = Checkpoints()
    with one_writer(workspace), reaching():
        outcome, rows = check(
            workspace.manifest,
            suites=workspace.expectations,
            parameters=suite_parameters(params.data),
            checkpoints=checkpoints,
        )
    told = {
        critical: [
            f"{finding.reason} ({finding.detail})"
            for finding in outcome.findings
            if finding.critical is critical
        ]
        for critical in (True, False)
    }
    verdict = f"{rows:,} rows; {'damaged' if told[True] else 'no damage found'}."
    page = write_data_docs(
        workspace.manifest_docs / "index.html",
        title="Manifest",
        verdict=verdict,
        files={"rows": rows},
        lists={"Damaged": told[True], "Warnings": told[False]},
        ran=checkpoints.ran,
    )
    if told[True]:
        raise ManifestDamaged(
            "The manifest is damaged.",
            reasons=told[True],
            remedy=f"Restore the files of these batches from a backup. See {page}.",
        )
    return ManifestReport(rows=rows, warnings=told[False], docs=str(page), verdict=verdict)


def _last_class_mix(workspace: Workspace) -> Mapping[str, int]:
    """Images by label of the dataset frozen last; empty if there is none."""
    from ml.data.dataset import read_info
    from ml.journey.newest import newest_dataset

    try:
        return read_info(workspace.datasets, newest_dataset(workspace)).per_class
    except NotFound:
        return {}
