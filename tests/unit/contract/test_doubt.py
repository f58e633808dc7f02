from hashlib import sha256

import pytest

from ml.contract.decision import UNLIKE
from ml.contract.doubt import chance, doubts

SURE = [0.98, 0.01, 0.01]


def weigh(**changes: object) -> dict[str, float]:
    values: dict[str, object] = {
        "action": "report",
        "reasons": [],
        "probabilities": SURE,
        "embedding": [1.0, 1.0],
        "disagreement": None,
    }
    return dict(doubts(**(values | changes)))  # type: ignore[arg-type]


def test_an_answer_that_passes_every_check_is_not_doubted() -> None:
    assert weigh() == {}
    assert weigh(disagreement=0.0) == {}


def test_a_referred_answer_weighs_by_its_entropy() -> None:
    even = weigh(action="refer", reasons=["low confidence"], probabilities=[1 / 3] * 3)
    assert even == {"low_confidence": pytest.approx(1.0)}
    less = weigh(action="refer", reasons=["low confidence"], probabilities=[0.5, 0.4, 0.1])
    assert less["low_confidence"] < 1


@pytest.mark.parametrize("reason", [UNLIKE, "image quality: contrast out of range"])
def test_what_is_said_of_the_image_makes_it_an_outlier(reason: str) -> None:
    found = weigh(action="refer", reasons=[reason], embedding=[3.0, 3.0])
    assert found == {"outlier": pytest.approx(0.75)}
    both = weigh(action="refer", reasons=[reason, "low confidence"])
    assert list(both) == ["outlier", "low_confidence"]


def test_members_that_differ_are_told_whatever_was_decided() -> None:
    assert weigh(disagreement=0.3) == {"disagreement": 0.3}


def test_chance_follows_from_the_image_and_is_even() -> None:
    drawn = [chance(sha256(bytes([number])).hexdigest()) for number in range(256)]
    assert all(0 <= value < 1 for value in drawn)
    assert sum(drawn) / len(drawn) == pytest.approx(0.5, abs=0.05)
