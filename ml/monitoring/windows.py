"""A window of answers as frames of the columns that its reference has.

Columns: image_id, request_id, site, scanner, answer (the label given), action, quality (accepted or
rejected), the image statistics, embedding_0…, embedding_distance and p_<label>… (float64, NaN where
not recorded).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ml.contract.bundle import Bundle
from ml.contract.decision import embedding_distance
from ml.contract.errors import InputError
from ml.contract.quality import STATISTIC_NAMES

EMBEDDING_PREFIX = "embedding_"
DISTANCE = "embedding_distance"
SCORE_PREFIX = "p_"
ANSWER = "answer"
ACTION = "action"
QUALITY = "quality"
ACCEPTED, REJECTED = "accepted", "rejected"
ORIGINS = ("site", "scanner")
_NAMES = ("request_id", "image_id", "action", *ORIGINS)


class WindowInvalid(InputError):
    """Records or reference cannot be compared with each other."""

    code = "window-invalid"


def frames(tables: Iterable[pa.Table], bundle: Bundle, components: int) -> Iterator[pd.DataFrame]:
    """One frame per table of `ml.store.prediction_columns`.

    Args:
        bundle: the one that answered.
        components: of the embedding in its reference.

    Raises:
        WindowInvalid: an answer's embedding is of another size.
    """
    for table in tables:
        embedding = table["embedding"].combine_chunks()
        values = embedding.flatten().to_numpy(zero_copy_only=False)
        if len(values) != components * len(table):
            raise WindowInvalid(
                f"The window's embeddings do not have the reference's {components} components.",
                remedy="Compare answers with the reference of the model that gave them.",
            )
        statistics = table["statistics"].combine_chunks()
        scores = table["probabilities"].combine_chunks()
        frame = pd.DataFrame(
            {name: table[name].to_pandas() for name in _NAMES}
            | {ANSWER: table["label"].to_pandas()}
            | {name: _numbers(statistics.field(name)) for name in STATISTIC_NAMES}
            | {f"{SCORE_PREFIX}{label}": _numbers(scores.field(label)) for label in bundle.labels}
        )
        for name in ("truth", "delay_hours"):
            if name in table.column_names:
                frame[name] = table[name].to_pandas()
        yield with_derived(
            frame, values.reshape(len(table), components), bundle.policy.quality_bounds
        )


def with_derived(
    frame: pd.DataFrame,
    embedding: npt.NDArray[np.float64],
    quality_bounds: Mapping[str, tuple[float, float]],
) -> pd.DataFrame:
    """Add the embedding's components, its distance and the verdict on the image's quality.

    Args:
        embedding: (n, components), the rows of `frame`.
    """
    components = pd.DataFrame(
        embedding, columns=component_names(embedding.shape[1]), index=frame.index
    )
    rejected = np.zeros(len(frame), dtype=bool)
    for name, (low, high) in quality_bounds.items():
        values = frame[name].to_numpy()
        rejected |= (values < low) | (values > high)
    derived = {
        DISTANCE: embedding_distance(embedding),
        QUALITY: np.where(rejected, REJECTED, ACCEPTED),
    }
    return pd.concat([frame, components, pd.DataFrame(derived, index=frame.index)], axis=1)


def component_names(components: int) -> list[str]:
    """embedding_0…"""
    return [f"{EMBEDDING_PREFIX}{index}" for index in range(components)]


def score_matrix(frame: pd.DataFrame, labels: Sequence[str]) -> npt.NDArray[np.float64]:
    """Probabilities (n, labels) in the order of `labels`."""
    return frame[[f"{SCORE_PREFIX}{label}" for label in labels]].to_numpy(dtype=np.float64)


def _numbers(values: pa.Array) -> npt.NDArray[np.float64]:
    return values.to_numpy(zero_copy_only=False)
