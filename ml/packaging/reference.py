"""The drift reference: what the served graph answers on validation images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.contract.decision import DecisionPolicy, decide
from ml.contract.quality import ImageStatistics
from ml.contract.session import ModelOutputs

_STATISTICS = tuple(ImageStatistics.model_fields)
_FACTS = ("image_id", "label", "site", "scanner")


def reference_frame(
    rows: pd.DataFrame,
    outputs: ModelOutputs,
    *,
    projection_rows: Sequence[int],
    label_names: Sequence[str],
    policy: DecisionPolicy,
) -> pd.DataFrame:
    """One row per validation image.

    Columns: `image_id`, `label` (truth), `site`, `scanner`, `role` (`projection` for images that
    fitted the embedding projection, else `baseline`), `group` (a number, equal for images that
    belong together), `predicted`, `action`, `p_<label>`…, `embedding_0`…, and all of
    `ImageStatistics`.

    Args:
        rows: validation images in the order of `outputs`, with `image_id`, `label`, `site`,
            `scanner`, `group` and the statistics.
        projection_rows: positions of the images that fitted the projection.
    """
    frame = rows.loc[:, [*_FACTS, *_STATISTICS]].reset_index(drop=True)
    role = np.full(len(frame), "baseline", dtype=object)
    role[list(projection_rows)] = "projection"
    frame["role"] = role
    frame["group"] = pd.factorize(rows["group"])[0]
    decisions = [
        decide(probabilities, embedding, _statistics(record), label_names, policy)
        for probabilities, embedding, record in zip(
            outputs.probabilities,
            outputs.embedding,
            frame[list(_STATISTICS)].to_dict("records"),
            strict=True,
        )
    ]
    frame["predicted"] = [decision.label for decision in decisions]
    frame["action"] = [decision.action for decision in decisions]
    return pd.concat(
        [
            frame,
            _columns(outputs.probabilities, [f"p_{label}" for label in label_names]),
            _columns(
                outputs.embedding,
                [f"embedding_{number}" for number in range(outputs.embedding.shape[1])],
            ),
        ],
        axis=1,
    )


def _statistics(record: dict) -> ImageStatistics:
    return ImageStatistics.model_validate(record)


def _columns(values: npt.NDArray[np.float32], names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(values, columns=list(names))
