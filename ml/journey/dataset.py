"""Stage 3, dataset: freeze the manifest into a split, content-addressed snapshot."""

import logging
from typing import TYPE_CHECKING

from ml.data.results import DatasetInfo
from ml.data.storage import reaching
from ml.journey.review import list_doubts, reviewed
from ml.journey.run import one_writer
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    from ml.data.dataset_diff import DatasetDiff

log = logging.getLogger(__name__)


def freeze(workspace: Workspace, params: Params) -> DatasetInfo:
    """Freeze all accepted images into a dataset, with the labels that people decided.

    Look-alikes with different labels, and images that join a past test to other splits, are put on
    the review list.

    Raises:
        DatasetTooSmall: a class or a split would be too small; the message names the number.
        DatasetRefused: the snapshot fails a critical expectation of `expectations/dataset.json`.
        Unavailable: a bucket or the database does not answer.
    """
    from ml.data.dataset import freeze_dataset

    # Two datasets frozen at once could put one group into different splits.
    with one_writer(workspace), reaching():
        frozen = freeze_dataset(
            workspace.manifest,
            params=params.data,
            datasets_folder=workspace.datasets,
            suites=workspace.expectations,
            docs_folder=workspace.dataset_docs,
            reviewed=reviewed(workspace),
        )
    list_doubts(workspace, frozen)
    info = frozen.info
    for warning in info.warnings:
        log.warning("%s", warning)
    log.info(
        "Dataset %s: %d images of %d groups, %s.",
        info.dataset_id,
        info.images,
        info.groups,
        ", ".join(f"{count} {label}" for label, count in info.per_class.items()),
    )
    return info


def diff(workspace: Workspace, before: str, after: str) -> "DatasetDiff":
    """What changed between two frozen datasets.

    Raises:
        NotFound: one of them is not there.
    """
    from ml.data.dataset import load_dataset, read_parameters
    from ml.data.dataset_diff import diff_datasets

    ids = (before, after)
    frames = [load_dataset(workspace.datasets, dataset_id) for dataset_id in ids]
    old, new = (read_parameters(workspace.datasets, dataset_id) for dataset_id in ids)
    return diff_datasets(ids, *frames, parameters=(old, new))
