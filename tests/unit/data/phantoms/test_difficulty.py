"""The task is shape, not brightness: what a linear model on pixels can and cannot do."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, recall_score
from threadpoolctl import threadpool_limits

from ml.data.phantoms import LABELS, SCANNERS, render_phantom

MIX = [0.6, 0.3, 0.1]


def _cohort(count: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=count, p=MIX)
    rows = []
    for label in labels:
        scanner = SCANNERS[int(rng.integers(len(SCANNERS)))]
        image = Image.fromarray(render_phantom(LABELS[label], rng, scanner))
        rows.append(np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)).ravel())
    return np.array(rows) / 127.5 - 1, labels


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_linear_model_on_pixels_fails() -> None:
    train, train_labels = _cohort(500, seed=1)
    test, test_labels = _cohort(300, seed=2)
    # The solver is stopped early: more steps fit the training images and nothing else.
    for strength in (1e-2, 1e-1):
        with threadpool_limits(1):  # threads for so small a matrix only wait for one another
            model = LogisticRegression(C=strength, max_iter=50).fit(train, train_labels)
        predicted = model.predict(test)
        assert np.mean(predicted == test_labels) < 0.80
        assert f1_score(test_labels, predicted, average="macro") < 0.70
        assert recall_score(test_labels, predicted, labels=[2], average="macro") < 0.5
