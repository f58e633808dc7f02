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

    `flip_rate` is the share of images whose most probable label differs; `critical_loss` is how
    much the critical label's sensitivity falls, negative where it rises; differences are between
    probabilities, largest and mean of absolute values.
    """

    images: int
    flip_rate: float = Field(ge=0, le=1)
    critical_loss: float = Field(ge=-1, le=1)
    max_difference: float
    mean_difference: float


class Candidate(_Result):
    """One int8 setting as tried on a member.

    `cpu_ms` and `float_cpu_ms` are of one image on one thread, measured in turns; `failing` says
    why it may not serve, empty where it may.
    """

    setting: str
    parity: Parity
    cpu_ms: float
    float_cpu_ms: float
    seconds: float
    failing: list[str]

    @property
    def cost_ratio(self) -> float:
        """CPU time as a share of the float graph's."""
        return self.cpu_ms / self.float_cpu_ms


class MemberExport(_Result):
    """A member as it goes into the served graph; `path` is relative to the member's folder.

    `parity` compares the int8 graph that serves with the float one; None where float serves.
    `setting` is how it was quantized, empty in float; `search` is all that was tried. `reason`
    says why the precision was chosen.
    """

    member: str
    architecture: str
    path: str
    precision: Literal["int8", "fp32"]
    reason: str
    setting: str
    parity: Parity | None
    search: list[Candidate]
    float_bytes: int
    bytes: int
    seconds: float

    @property
    def flip_rate(self) -> float:
        """Label flips of the graph that is served: 0 where it is the float one."""
        return self.parity.flip_rate if self.parity else 0.0


class BundleInfo(_Result):
    """A sealed bundle; `sha256` is its identity."""

    folder: str
    sha256: str
    bytes: int
    labels: list[str]
    members: dict[str, str] = Field(description="precision by member")
    reference_images: int
    baseline_images: int


class RollbackDrill(_Result):
    """How long a running server took to answer with the incumbent, and with the candidate again.

    Seconds are from the change of what it follows to the answer; NaN where none came.
    """

    version: str
    back_seconds: Measured
    forth_seconds: Measured
    failures: list[str]


class Blessing(_Result):
    """What the real server did with the bundle.

    `bundle_sha256` is the bundle's, None where there was none; a record of an older release that
    lacks it counts as no evidence. `hostile` is the HTTP status by kind of bad request; `rollback`
    is None where nothing was in production; `failures` are sentences, empty when `passed`.
    """

    passed: bool
    bundle_sha256: str | None = None
    load_seconds: Measured
    p99_ms: Measured
    rss_mb: Measured
    max_difference: Measured
    hostile: dict[str, int]
    rollback: RollbackDrill | None = None
    failures: list[str]

    @property
    def rollback_seconds(self) -> float | None:
        """To the incumbent or back, the longer; NaN where it did not come, None if not tried."""
        if self.rollback is None:
            return None
        both = (self.rollback.back_seconds, self.rollback.forth_seconds)
        return math.nan if any(map(math.isnan, both)) else max(both)
