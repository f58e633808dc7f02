"""Which of the images that are kept a person is asked about."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from ml.contract.doubt import doubts
from ml.contract.records import PredictionRecord, QueueKind
from ml.params import ReviewParams
from ml.store.review_images import KeptImage

_KINDS: tuple[QueueKind, ...] = ("random", "disagreement", "outlier", "low_confidence")


@dataclass(frozen=True, slots=True)
class Chosen:
    """An image, why, and how much it deserves it among those of its reason."""

    image_id: str
    kind: QueueKind
    priority: float


def choose_for_review(
    kept: Iterable[tuple[KeptImage, PredictionRecord]],
    taken: Mapping[tuple[date, QueueKind], int],
    params: ReviewParams,
) -> list[Chosen]:
    """The images of each day that deserve it most, as many as are left of each reason's bound.

    An image is chosen for one reason: chance first, so that the sample stays one, then the rarest.

    Args:
        kept: images with their answers, none that a person was asked about before.
        taken: how many of a day and reason persons were asked about already.
    """
    by_day: defaultdict[date, list[tuple[KeptImage, PredictionRecord]]] = defaultdict(list)
    for image, record in kept:
        by_day[image.at.date()].append((image, record))
    chosen: list[Chosen] = []
    for day, images in by_day.items():
        left = Counter({kind: _bound(params, kind) - taken.get((day, kind), 0) for kind in _KINDS})
        chosen += _choose_of_day(images, left, params)
    return chosen


def _choose_of_day(
    images: list[tuple[KeptImage, PredictionRecord]],
    left: Counter[QueueKind],
    params: ReviewParams,
) -> list[Chosen]:
    chosen: dict[str, Chosen] = {}
    for kind in _KINDS:
        weighed = [
            Chosen(image.image_id, kind, weight)
            for image, record in images
            if image.image_id not in chosen
            and (weight := _weight(image, record, kind, params)) is not None
        ]
        weighed.sort(key=lambda choice: (-choice.priority, choice.image_id))
        chosen |= {choice.image_id: choice for choice in weighed[: max(left[kind], 0)]}
    return list(chosen.values())


def _weight(
    image: KeptImage, record: PredictionRecord, kind: QueueKind, params: ReviewParams
) -> float | None:
    if kind == "random":
        return image.priority if image.share == "sample" else None
    weight = doubts_of(record).get(kind)
    if kind == "disagreement" and weight is not None and weight < params.disagreement_floor:
        return None
    return weight


def doubts_of(record: PredictionRecord) -> dict[QueueKind, float]:
    """See `ml.contract.doubt`."""
    return doubts(
        action=record.action,
        reasons=record.reasons,
        probabilities=list(record.probabilities.values()),
        embedding=record.embedding,
        disagreement=record.disagreement,
    )


def _bound(params: ReviewParams, kind: QueueKind) -> int:
    bound: int = getattr(params, kind)
    return bound
