"""The cohort's images as a model answered them."""

import numpy as np
import pandas as pd

from ml.contract.session import ModelOutputs
from ml.evaluation.examples import answer_table
from tests.unit.evaluation.conftest import LABELS, POLICY, Cohort

STATISTICS = {
    "width": 100, "height": 80, "mean": 100.0, "std": 30.0, "contrast": 90.0, "entropy": 6.0,
    "sharpness": 10.0, "black_share": 0.1, "white_share": 0.0, "colourfulness": 0.0,
    "border_share": 0.0,
}  # fmt: skip


def image_rows(cohort: Cohort) -> pd.DataFrame:
    """Dataset rows with ids, truth, groups and image statistics."""
    facts = {
        "image_id": [f"{number:064x}"[::-1] for number in range(len(cohort.truth))],
        "label": [LABELS[index] for index in cohort.truth],
        "group": cohort.groups,
    }
    return pd.DataFrame({**facts, **STATISTICS})


def outputs_of(cohort: Cohort) -> ModelOutputs:
    """What the graph would have put out."""
    n = len(cohort.truth)
    return ModelOutputs(
        cohort.probabilities.astype(np.float32),
        np.ones((n, 4), np.float32),
        np.random.default_rng(0).random((n, 3, 3, len(LABELS)), np.float32),
        np.zeros(n, np.float32),
        np.full(n, 0.1, np.float32),
    )


def make_answers(cohort: Cohort) -> pd.DataFrame:
    """The cohort's answer table."""
    return answer_table(image_rows(cohort), outputs_of(cohort), LABELS, POLICY)
