"""What the gates judge by and what they decide, as JSON. Nothing heavy is imported here."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["pass", "refuse", "insufficient"]


class _Result(BaseModel):
    # Evidence of another schema is refused rather than half understood.
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShareEstimate(_Result):
    """A share of `n` images in `groups` groups, worth `effective_n` independent images.

    Holds all that a bound at any confidence needs: see `ml.evaluation.bounds`.
    """

    estimate: float
    effective_n: float
    n: int
    groups: int


class MeanEstimate(_Result):
    """An estimate of `n` images in `groups` groups with its standard error, as `ShareEstimate`."""

    estimate: float
    standard_error: float
    n: int
    groups: int


class DifferenceEstimate(_Result):
    """Challenger minus incumbent on the same images, as `ShareEstimate`.

    `wins` and `losses` are the shares of images that only the one or only the other got right.
    """

    wins: float
    losses: float
    effective_n: float
    n: int
    groups: int

    @property
    def estimate(self) -> float:
        """The difference between the shares that are right."""
        return self.wins - self.losses


class ParityEvidence(_Result):
    """Served (int8) against float model on the same `n` images."""

    flip_rate: float
    critical_sensitivity_loss: float
    n: int


class GateMeasurements(_Result):
    """What the gates judge of one model on one test split; bounds follow from it at any confidence.

    `sensitivity` is by label; labels without images are left out.
    """

    critical_label: str
    images: int
    label_images: dict[str, int]
    accuracy: ShareEstimate
    macro_f1: ShareEstimate
    sensitivity: dict[str, ShareEstimate]
    calibration_error: MeanEstimate


class SliceDifference(_Result):
    """Challenger minus incumbent in accuracy on one slice.

    `even` is what equal answers would have given: it says whether the slice is large enough to
    judge anything.
    """

    dimension: str
    value: str
    accuracy: DifferenceEstimate
    even: DifferenceEstimate


class IncumbentComparison(_Result):
    """Challenger minus incumbent on the same images: paired, by group.

    `incumbent` is None when nothing is in production: then there is nothing to compare.
    `sensitivity` is by label; labels without images are left out.
    """

    incumbent: str | None
    critical_label: str
    accuracy: DifferenceEstimate | None
    sensitivity: dict[str, DifferenceEstimate]
    slices: list[SliceDifference]


class AdaptiveComparison(_Result):
    """A vote in which `first` may answer alone, beside the vote of all: the same images, paired.

    `first` is None where all members answer every image: then there is nothing to compare.
    `stopped` and `changed` are the shares of images on which it answered alone and on which the
    answer differs. Of critical images `critical_sensitivity` compares those called so and
    `critical_seen` those called so or sent to a person for want of confidence; None without such
    images. CPU times are means of one image on one thread.
    """

    first: str | None
    critical_label: str
    stopped: float
    changed: float
    critical_sensitivity: DifferenceEstimate | None
    critical_seen: DifferenceEstimate | None
    cpu_ms: float | None
    whole_cpu_ms: float | None


class SplitWear(_Result):
    """How often a test split has judged: `use` is 1 for its first candidate.

    `test_split` is the digest of its image ids. `earlier` names the runs that it judged before.
    """

    test_split: str
    use: int
    earlier: list[str]


class Sufficiency(_Result):
    """Can a test split decide at all whether a share reaches its floor?

    `worth` is the number of independent images that it amounts to, `perfect_lower` the bound if
    all answers were right, `power` the chance that a model with the share `expected` passes and
    `needed` the independent images at which that chance is `wanted_power`; None beyond all
    reason.
    """

    name: str
    worth: float
    floor: float
    confidence: float
    expected: float
    perfect_lower: float
    power: float
    wanted_power: float
    needed: int | None

    @property
    def decides(self) -> bool:
        """Whether a good model would probably pass; otherwise pool out-of-fold answers."""
        return self.perfect_lower >= self.floor and self.power >= self.wanted_power


class GateResult(_Result):
    """One gate. `value` is what was compared with `bound`, None without evidence.

    `confidence` is that of the one-sided bound, None where none was taken. A gate that is not
    `blocking` is told and keeps no model back.
    """

    name: str
    verdict: Verdict
    evidence: str
    value: float | None
    bound: float | None
    confidence: float | None = None
    blocking: bool = True

    @property
    def refuses(self) -> bool:
        """Whether this gate keeps the model back."""
        return self.blocking and self.verdict != "pass"


class GateDecision(_Result):
    """`promote` is true exactly when no gate refuses; `reasons` is the evidence of those that do.

    `confidence` is that of all bounds; it rises with the wear of the test split. `bundle_sha256` is
    the identity of the bundle that was judged, None where there was no bundle, or where a release
    wrote it that did not note which.
    """

    promote: bool
    results: list[GateResult]
    reasons: list[str]
    confidence: float
    wear: SplitWear | None
    sufficiency: list[Sufficiency]
    bundle_sha256: str | None = None
