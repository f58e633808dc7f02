import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.training.vote_experiments import majority_vote

SURE = np.array([0.8, 0.1, 0.1])
UNSURE = np.array([0.3, 0.4, 0.3])


def votes(*members: np.ndarray) -> dict[str, np.ndarray]:
    return {f"member{number}": row[np.newaxis] for number, row in enumerate(members)}


def test_two_unsure_members_outvote_a_sure_one():
    weights = {"member0": 0.4, "member1": 0.3, "member2": 0.3}
    answers = majority_vote(votes(SURE, UNSURE, UNSURE), weights)
    assert answers.labels.tolist() == [1]
    assert answers.scores[0] == pytest.approx([0.4, 0.6, 0.0])


def test_a_member_with_more_than_half_of_the_weight_decides():
    weights = {"member0": 0.52, "member1": 0.24, "member2": 0.24}
    assert majority_vote(votes(SURE, UNSURE, UNSURE), weights).labels.tolist() == [0]


def test_a_tie_goes_to_the_soft_vote():
    weights = {"member0": 0.5, "member1": 0.5}
    assert majority_vote(votes(SURE, UNSURE), weights).labels.tolist() == [0]
    assert majority_vote(votes(UNSURE, SURE), weights).labels.tolist() == [0]


@given(
    st.integers(1, 4).flatmap(
        lambda members: st.lists(
            st.lists(st.integers(0, 2), min_size=5, max_size=5),
            min_size=members,
            max_size=members,
        )
    )
)
def test_members_that_agree_are_never_overruled(chosen):
    names = [f"member{number}" for number in range(len(chosen))]
    weights = dict.fromkeys(names, 1 / len(names))
    probabilities = {
        name: 0.1 + 0.7 * np.eye(3)[row] for name, row in zip(names, chosen, strict=True)
    }
    answers = majority_vote(probabilities, weights)
    assert answers.scores.sum(axis=1) == pytest.approx(1)
    for place, given_labels in enumerate(zip(*chosen, strict=True)):
        if len(set(given_labels)) == 1:
            assert answers.labels[place] == given_labels[0]
