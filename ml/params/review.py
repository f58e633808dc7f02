"""Which images that production answered are labelled by a person."""

from typing import Literal

from pydantic import Field

from ml.params.section import Section


class ReviewParams(Section):
    """Most images of a day for each reason; of `drift`, of a report. 0 leaves a reason out.

    `disagreement_floor`: members that differ from their vote by less (`ml.packaging.vote`) agree.
    `random` is chosen by chance: only these labels, and corrections, tell how good the model is.
    `text_seen`: images in whose pixels lines of text are seen are refused and forgotten, or shown
    all the same. A label lands `undo_minutes` after it was given; until then it can be undone.
    """

    low_confidence: int = Field(ge=0, le=1000)
    disagreement: int = Field(ge=0, le=1000)
    outlier: int = Field(ge=0, le=1000)
    random: int = Field(ge=0, le=1000)
    drift: int = Field(ge=0, le=1000)
    disagreement_floor: float = Field(ge=0, le=1)
    text_seen: Literal["refuse", "warn"]
    undo_minutes: int = Field(ge=0)
