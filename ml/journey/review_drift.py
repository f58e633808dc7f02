"""Of the images that are kept, those that show what the newest report says has moved."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from ml.contract.records import PredictionRecord
from ml.journey.run import tracker_of
from ml.journey.watched import drift_history
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    from ml.monitoring.results import DriftResult
    from ml.monitoring.review_choice import Chosen
    from ml.store.review_images import KeptImage


def drift_exemplars(
    workspace: Workspace,
    params: Params,
    kept: "list[tuple[KeptImage, PredictionRecord]]",
    reported: Collection[str],
) -> "list[tuple[Chosen, dict[str, object]]]":
    """Exemplars of the newest report, if it tells of drift in production and is not among
    `reported`; each with what is to be told of it.

    The report's own exemplars are of all images, and of most of them nobody keeps the pixels.
    """
    newest = next(reversed(drift_history(workspace)), None)
    if newest is None or newest.state != "drifted" or newest.report_id in reported:
        return []
    answers = {
        record.request_id: image.image_id
        for image, record in kept
        if newest.window.start <= record.at < newest.window.end
        and record.model.bundle == newest.reference.bundle
    }
    return _chosen(workspace, params, newest, answers) if answers else []


def _chosen(
    workspace: Workspace, params: Params, drift: "DriftResult", answers: dict[str, str]
) -> "list[tuple[Chosen, dict[str, object]]]":
    import pandas as pd

    from ml.journey.run import database_of
    from ml.monitoring.exemplars import choose_exemplars
    from ml.monitoring.reference import Reference
    from ml.monitoring.review_choice import Chosen
    from ml.monitoring.windows import frames
    from ml.registry.models import PRODUCTION, fetch_bundle, version_by_alias
    from ml.store.prediction_columns import Window, read_columns

    tracker = tracker_of(workspace)
    version = version_by_alias(tracker, PRODUCTION)
    if version is None or version.bundle_sha256 != drift.reference.bundle:
        return []  # another model answers now; its own reports will tell
    reference = Reference.open(fetch_bundle(tracker, version, workspace.bundles))
    window = Window(
        drift.window.start, drift.window.end, drift.model_version, drift.reference.bundle
    )
    tables = read_columns(database_of(workspace), window, reference.bundle.labels)
    pieces = [
        piece[piece["request_id"].isin(answers.keys())]
        for piece in frames(tables, reference.bundle, reference.components)
    ]
    if not any(len(piece) for piece in pieces):
        return []
    found = choose_exemplars(
        reference.rows, pd.concat(pieces, ignore_index=True), drift.moved, params.review.drift
    )
    return [
        (
            Chosen(exemplar.image_id, "drift", 1 / (1 + place)),
            {"report_id": drift.report_id, "signals": exemplar.signals},
        )
        for place, exemplar in enumerate(found)
    ]
