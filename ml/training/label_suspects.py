"""Labels that answers of models which never saw the image speak against: confident learning.

C. Northcutt, L. Jiang, I. Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels,
JAIR 70, 2021; by cleanlab.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores


def label_suspects(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]
) -> pd.DataFrame:
    """The labels that are probably wrong, most doubtful first. No label is changed.

    Args:
        labels: (n,), indices as they were given.
        probabilities: (n, classes), out-of-fold: each row from models that saw neither the image
            nor its group, or they would only repeat what they were told.

    Returns:
        One row a suspect: `row` (its position), `given`, `suggested` (indices), `quality` (0…1,
        how well the label fits the answers; low is doubtful).
    """
    rows = find_label_issues(
        labels,
        probabilities,
        filter_by="prune_by_noise_rate",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    quality = get_label_quality_scores(labels, probabilities)
    suggested = probabilities.argmax(axis=1)
    found = pd.DataFrame(
        {
            "row": rows,
            "given": labels[rows],
            "suggested": suggested[rows],
            "quality": quality[rows],
        }
    )
    # Where the answers agree with the label there is nothing to look at.
    return found[found["given"] != found["suggested"]].reset_index(drop=True)
