from collections.abc import Sequence
from datetime import timedelta

import pytest

from ml.contract.decision import UNLIKE
from ml.contract.records import PredictionRecord
from ml.monitoring.review_choice import choose_for_review
from ml.params import ReviewParams, load_params
from ml.settings import PROJECT_ROOT
from ml.store.review_images import KeptImage
from tests.unit.store.examples import NOON, prediction
from tests.unit.store.test_review_images import image

EVEN = {"normal": 0.34, "benign": 0.33, "malignant": 0.33}


@pytest.fixture
def params() -> ReviewParams:
    bounds = ("low_confidence=2", "disagreement=1", "outlier=1", "random=1")
    return load_params(
        PROJECT_ROOT / "params.toml", overrides=[f"review.{bound}" for bound in bounds]
    ).review


def pair(
    number: int, *, share: str = "low_confidence", day: int = 0, **changes: object
) -> tuple[KeptImage, PredictionRecord]:
    kept = image(number, share=share, at=NOON + timedelta(days=day))
    return kept, prediction(kept.request_id, **changes)


def chosen(pairs: Sequence[tuple[KeptImage, PredictionRecord]], params, **taken) -> dict[int, str]:
    counts = {(NOON.date(), kind): count for kind, count in taken.items()}
    found = choose_for_review(pairs, counts, params)
    return {int(choice.image_id, 16): choice.kind for choice in found}


def test_the_least_sure_of_a_day_are_chosen(params: ReviewParams) -> None:
    pairs = [
        pair(1, probabilities={"normal": 0.1, "benign": 0.1, "malignant": 0.8}),
        pair(2, probabilities=EVEN),
        pair(3, probabilities={"normal": 0.2, "benign": 0.2, "malignant": 0.6}),
        pair(4, day=1, probabilities={"normal": 0.1, "benign": 0.1, "malignant": 0.8}),
    ]
    expected = dict.fromkeys([2, 3, 4], "low_confidence")
    assert chosen(pairs, params) == expected


def test_what_was_asked_before_counts_to_the_bound(params: ReviewParams) -> None:
    pairs = [pair(1), pair(2)]
    assert len(chosen(pairs, params, low_confidence=1)) == 1
    assert chosen(pairs, params, low_confidence=2) == {}


def test_each_image_is_chosen_once_for_its_rarest_reason(params: ReviewParams) -> None:
    unlike = [UNLIKE, "low confidence"]
    pairs = [
        pair(1, disagreement=0.4, reasons=unlike),
        pair(2, reasons=unlike, embedding=[9.0]),
        pair(3, reasons=unlike, embedding=[8.0]),
        pair(4, share="sample", action="report", reasons=[]),
    ]
    assert chosen(pairs, params) == {
        1: "disagreement",
        2: "outlier",
        3: "low_confidence",
        4: "random",
    }


def test_members_that_hardly_differ_agree(params: ReviewParams) -> None:
    pairs = [pair(1, disagreement=0.01, action="report", reasons=[])]
    assert chosen(pairs, params) == {}


def test_a_reason_without_a_bound_is_left_out(params: ReviewParams) -> None:
    none = params.model_copy(update={"low_confidence": 0})
    assert chosen([pair(1)], none) == {}
