"""One pass over a window: what is counted of it, in memory that does not grow with it."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from ml.monitoring.estimate import ConfidenceCounts
from ml.monitoring.reference import Reference, label_indices
from ml.monitoring.sample import Sample
from ml.monitoring.scope import Scopes
from ml.monitoring.windows import ANSWER, score_matrix
from ml.params import MonitoringParams
from ml.store.prediction_columns import Repeats


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of a window after its images have passed by."""

    scopes: Scopes
    confidences: ConfidenceCounts
    sample: pd.DataFrame
    repeats: Repeats


def observe(
    frames: Iterable[pd.DataFrame],
    reference: Reference,
    repeats: Repeats,
    *,
    critical_label: str,
    params: MonitoringParams,
) -> Observation:
    """Count the images of a window's frames (`ml.monitoring.windows`).

    Args:
        repeats: of the whole window.
    """
    labels = reference.bundle.labels
    scopes = Scopes.of(reference, min_slice_images=params.min_slice_images)
    confidences = ConfidenceCounts(labels, critical_label)
    sample = Sample(params.page_images, repeats.images)
    for frame in frames:
        scopes.add(frame)
        confidences.add(score_matrix(frame, labels), label_indices(frame[ANSWER], labels))
        sample.add(frame)
    return Observation(scopes, confidences, sample.frame(), repeats)
