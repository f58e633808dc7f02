"""Each test image with its answer, and which of them a reader should see first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ml.contract.decision import DecisionPolicy, decide
from ml.contract.quality import ImageStatistics
from ml.contract.session import ModelOutputs

_FACTS = ("image_id", "label", "group")
_ANSWERS = ("predicted", "probability", "action", "reasons", "prediction_set")
REASONS = "; "


def answer_table(
    rows: pd.DataFrame, outputs: ModelOutputs, label_names: Sequence[str], policy: DecisionPolicy
) -> pd.DataFrame:
    """What a caller would have been told, one row per image.

    Columns: `image_id`, `label` (truth), `group`, `predicted`, `probability` (of the answer),
    `action` (`report` or `refer`), `reasons` (joined by `REASONS`), `prediction_set` (labels, None
    where the policy makes none), `p_<label>`….

    Args:
        rows: images in the order of `outputs`, with the facts and the image statistics.
    """
    frame = rows.loc[:, list(_FACTS)].reset_index(drop=True)
    statistics = rows.loc[:, list(ImageStatistics.model_fields)].to_dict("records")
    decisions = [
        decide(
            probabilities, embedding, ImageStatistics.model_validate(record), label_names, policy
        )
        for probabilities, embedding, record in zip(
            outputs.probabilities, outputs.embedding, statistics, strict=True
        )
    ]
    frame["predicted"] = [decision.label for decision in decisions]
    columns = [f"p_{label}" for label in label_names]
    frame[columns] = outputs.probabilities
    chosen = frame["predicted"].map({name: i for i, name in enumerate(label_names)}).to_numpy()
    frame["probability"] = outputs.probabilities[np.arange(len(frame)), chosen]
    frame["action"] = [decision.action for decision in decisions]
    frame["reasons"] = [REASONS.join(decision.reasons) for decision in decisions]
    frame["prediction_set"] = [decision.prediction_set for decision in decisions]
    return frame[[*_FACTS, *_ANSWERS, *columns]]


def mistakes(answers: pd.DataFrame, critical_label: str) -> pd.DataFrame:
    """Wrong answers: missed critical images first, then by how sure the model was."""
    wrong = answers[answers["label"] != answers["predicted"]]
    return wrong.assign(missed=wrong["label"] == critical_label).sort_values(
        ["missed", "probability", "image_id"], ascending=[False, False, True]
    )


def least_certain(answers: pd.DataFrame, number: int) -> pd.DataFrame:
    """The images whose answer has the lowest probability of its own, lowest first."""
    return answers.sort_values(["probability", "image_id"]).head(number)


def most_confident(answers: pd.DataFrame, truth: str, answer: str, number: int) -> pd.DataFrame:
    """One cell of the confusion matrix, the surest answers first."""
    cell = answers[(answers["label"] == truth) & (answers["predicted"] == answer)]
    return cell.sort_values(["probability", "image_id"], ascending=[False, True]).head(number)
