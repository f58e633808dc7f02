"""What packaging leaves behind, as small JSON-able records."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

Measured = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: value if math.isfinite(value) else None, when_used="json"),
]
"""A measurement; NaN where there is none, which JSON cannot say and writes as null."""


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parity(_Result):
    """An int8 member beside its float original, on the same images.

    `flip_rate` is the share of images whose most probable label differs; differences are between
    probabilities, largest and mean of absolute values.
    """

    images: int
    flip_rate: float = Field(ge=0, le=1)
    max_difference: float
    mean_difference: float


class MemberExport(_Result):
    """A member as it goes into the served graph; `path` is relative to the member's folder.

    `parity` compares the int8 candidate with the float graph; None where none was made.
    `reason` says why the precision was chosen.
    """

    member: str
    architecture: str
    path: str
    precision: Literal["int8", "fp32"]
    reason: str
    parity: Parity | None
    float_bytes: int
    bytes: int
    seconds: float

    @property
    def flip_rate(self) -> float:
        """Label flips of the graph that is served: 0 where it is the float one."""
        return self.parity.flip_rate if self.parity and self.precision == "int8" else 0.0


class BundleInfo(_Result):
    """A sealed bundle; `sha256` is its identity."""

    folder: str
    sha256: str
    bytes: int
    labels: list[str]
    members: dict[str, str] = Field(description="precision by member")
    reference_images: int
    baseline_images: int


class Blessing(_Result):
    """What the real server did with the bundle.

    `hostile` is the HTTP status by kind of bad request; `failures` are sentences, empty when
    `passed`.
    """

    passed: bool
    load_seconds: Measured
    p99_ms: Measured
    rss_mb: Measured
    max_difference: Measured
    hostile: dict[str, int]
    failures: list[str]
