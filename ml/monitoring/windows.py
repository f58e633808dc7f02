"""Reference and window as frames of the same columns.

Columns: the image statistics, embedding_0…, p_<label>… (all float), label (what was answered) and
action. No identifiers: what is not compared is not carried.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ml.contract.bundle import REFERENCE_FILE
from ml.contract.errors import InputError
from ml.contract.quality import STATISTIC_NAMES
from ml.contract.records import PredictionRecord

EMBEDDING_PREFIX = "embedding_"
SCORE_PREFIX = "p_"
ANSWER = "label"


class WindowInvalid(InputError):
    """Records or reference cannot be compared with each other."""

    code = "window-invalid"


def frame_from_reference(bundle_folder: Path) -> pd.DataFrame:
    """The baseline part of a bundle's reference; the part that fitted the projection is left out.

    Raises:
        WindowInvalid: the reference holds no baseline.
    """
    rows = pd.read_parquet(bundle_folder / REFERENCE_FILE)
    baseline = rows[rows["role"] == "baseline"]
    if baseline.empty:
        raise WindowInvalid(
            "The bundle's reference has no baseline rows.", remedy="Export the model again."
        )
    columns = [
        *STATISTIC_NAMES,
        *(name for name in rows if name.startswith((EMBEDDING_PREFIX, SCORE_PREFIX))),
    ]
    frame = baseline[columns].astype("float64")
    frame[ANSWER] = baseline["predicted"].astype("object")
    frame["action"] = baseline["action"].astype("object")
    return frame.reset_index(drop=True)


def frame_from_records(records: Sequence[PredictionRecord]) -> pd.DataFrame:
    """One row per answered image, in the order given; no columns without records.

    Raises:
        WindowInvalid: the records are of more than one model, whose embeddings do not compare.
    """
    if len({record.model.bundle for record in records}) > 1:
        raise WindowInvalid(
            "The window mixes answers of several models.",
            remedy="Read the predictions of one model version.",
        )
    return pd.DataFrame([_row(record) for record in records])


def _row(record: PredictionRecord) -> dict[str, float | str]:
    return {
        **{name: float(getattr(record.statistics, name)) for name in STATISTIC_NAMES},
        **{f"{EMBEDDING_PREFIX}{index}": value for index, value in enumerate(record.embedding)},
        **{f"{SCORE_PREFIX}{name}": value for name, value in record.probabilities.items()},
        ANSWER: record.label,
        "action": record.action,
    }
