import numpy as np
import pytest

from ml.training.label_suspects import label_suspects

CLASSES = 3


def answers(count: int, *, flipped: float, seed: int = 0, confusion: float = 0.08):
    """True labels, labels as given, and out-of-fold answers about the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, count)
    alpha = np.full((count, CLASSES), 0.6)
    rows = np.arange(count)
    # Of some images a model is not sure; then it is often wrong.
    unsure = rng.random(count) < confusion
    alpha[rows, truth] += np.where(unsure, 2, 6)
    alpha[rows[unsure], rng.integers(0, CLASSES, unsure.sum())] += 2
    probabilities = np.array([rng.dirichlet(row) for row in alpha])
    given = truth.copy()
    wrong = rng.random(count) < flipped
    given[wrong] = (truth[wrong] + rng.integers(1, CLASSES, wrong.sum())) % CLASSES
    return truth, given, probabilities


@pytest.mark.parametrize("flipped", [0.02, 0.05, 0.1])
def test_planted_wrong_labels_are_found(flipped: float) -> None:
    truth, given, probabilities = answers(1500, flipped=flipped)
    found = label_suspects(given, probabilities)
    planted = set(np.flatnonzero(truth != given))
    hits = planted & set(found["row"])
    assert len(hits) / len(planted) >= 0.75
    assert len(hits) / len(found) >= 0.6


def test_most_of_the_suspects_suggestions_are_the_truth() -> None:
    truth, given, probabilities = answers(1500, flipped=0.05)
    found = label_suspects(given, probabilities)
    wrong = found[truth[found["row"]] != found["given"]]
    assert np.mean(truth[wrong["row"]] == wrong["suggested"]) >= 0.85


def test_the_most_doubtful_come_first_and_never_agree_with_the_answers() -> None:
    _, given, probabilities = answers(600, flipped=0.08)
    found = label_suspects(given, probabilities)
    assert found["quality"].is_monotonic_increasing
    assert (found["given"] != found["suggested"]).all()
    assert found["quality"].between(0, 1).all()


def test_sound_labels_are_hardly_suspected() -> None:
    _, given, probabilities = answers(1000, flipped=0.0, confusion=0.0)
    assert len(label_suspects(given, probabilities)) <= 10
