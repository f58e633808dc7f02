"""Stage 2, validate: Great Expectations over the batch; rejects go to quarantine with reasons."""

import logging

from ml.data.results import ValidationReport
from ml.journey.workspace import Workspace
from ml.params import Params

log = logging.getLogger(__name__)


def validate(workspace: Workspace, params: Params, batch_id: str) -> ValidationReport:
    """Validate a merged batch and commit its accepted rows to the manifest.

    Raises:
        BatchHeld: too much of the batch is wrong; nothing was committed.
    """
    from ml.data.image_store import ImageStore
    from ml.data.quarantine import Quarantine
    from ml.data.validate import validate_batch

    report = validate_batch(
        batch_folder=workspace.batch(batch_id),
        manifest_folder=workspace.manifest,
        suites=workspace.expectations,
        params=params.data,
        quarantine=Quarantine(workspace.quarantine),
        store=ImageStore(workspace.images),
        docs_folder=workspace.validation_docs(batch_id),
    )
    log.info("%s", report.verdict)
    return report
