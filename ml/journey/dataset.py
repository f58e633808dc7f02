"""Stage 3, dataset: freeze the manifest into a split, content-addressed snapshot."""

import logging

from ml.data.results import DatasetInfo
from ml.journey.workspace import Workspace
from ml.params import Params

log = logging.getLogger(__name__)


def freeze(workspace: Workspace, params: Params) -> DatasetInfo:
    """Freeze all accepted images into a dataset.

    Raises:
        DatasetTooSmall: a class or a split would be too small; the message names the number.
    """
    from ml.data.dataset import freeze_dataset

    info = freeze_dataset(
        workspace.manifest, params=params.data, datasets_folder=workspace.datasets
    )
    log.info(
        "Dataset %s: %d images of %d groups, %s.",
        info.dataset_id,
        info.images,
        info.groups,
        ", ".join(f"{count} {label}" for label, count in info.per_class.items()),
    )
    return info
