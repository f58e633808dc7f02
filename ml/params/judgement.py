"""How a model is measured, what it must reach, and when it no longer does."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ml.params.section import Section


class EvaluationParams(Section):
    """`paper_members` are trained a second time on a random image split, for comparison only.

    `specificity`: where the critical label's sensitivity is reported, whatever the threshold.
    """

    confidence: float = Field(gt=0.5, lt=1)
    bootstrap_rounds: int = Field(ge=100)
    specificity: float = Field(gt=0, lt=1)
    min_slice_images: int = Field(ge=1)
    paper_members: list[str]
    seed: int


class GateParams(Section):
    """Floors are met by one-sided lower confidence bounds, ceilings by upper ones.

    `false_promotion`: chance, over the first `max_test_uses` candidates that one test split
    judges, that any of them is promoted though it is truly under a floor or margin; the bounds'
    confidence follows from it. After those uses the split asks for new images.
    A margin is how much worse than the incumbent the lower bound of the difference may be. Margins
    are wide because a few patients cannot tell less: see docs/adr/0004.
    `class_*` hold for each label other than the critical one. A slice is judged when equal answers
    would use at most half of `slice_margin`; smaller ones block only with `require_slices`.
    `adaptive_margin`: of the critical label's sensitivity, where one member may answer for all.
    `expected_share`: what a good model reaches; tells whether the test split has power to decide.
    """

    approval: Literal["never", "always"]
    false_promotion: float = Field(gt=0, lt=0.5)
    max_test_uses: int = Field(ge=1)
    expected_share: float = Field(gt=0, lt=1)
    min_test_images: int = Field(ge=1)
    min_critical_images: int = Field(ge=1)
    min_class_images: int = Field(ge=1)
    accuracy_floor: float = Field(ge=0, le=1)
    macro_f1_floor: float = Field(ge=0, le=1)
    critical_sensitivity_floor: float = Field(ge=0, le=1)
    class_sensitivity_floor: float = Field(ge=0, le=1)
    accuracy_margin: float = Field(ge=0, le=1)
    critical_sensitivity_margin: float = Field(ge=0, le=1)
    class_sensitivity_margin: float = Field(ge=0, le=1)
    slice_margin: float = Field(ge=0, le=1)
    adaptive_margin: float = Field(ge=0, le=1)
    require_slices: bool
    calibration_error_ceiling: float = Field(ge=0, le=1)
    max_flip_rate: float = Field(ge=0, le=1)
    max_critical_sensitivity_loss: float = Field(ge=0, le=1)
    latency_p99_ms: float = Field(gt=0)
    load_seconds: float = Field(gt=0)
    max_memory_mb: float = Field(gt=0)


class GuardParams(Section):
    """When a canary is withdrawn: its share differs from production's by more than a margin.

    `false_alarm`: chance that one of the four comparisons of an equal canary ever alarms. The
    critical and the referred share may move neither up nor down; failed and slow answers may not
    become more. An answer is slow beyond `latency_factor` times production's 95th percentile.
    Nothing is judged before both have been asked `min_answers` times, nor on answers older than
    `window_hours`. A watching guard looks every `poll_seconds`.
    """

    false_alarm: float = Field(gt=0, lt=0.5)
    min_answers: int = Field(ge=1)
    critical_margin: float = Field(ge=0, lt=1)
    refer_margin: float = Field(ge=0, lt=1)
    failure_margin: float = Field(ge=0, lt=1)
    slow_margin: float = Field(ge=0, lt=1)
    latency_factor: float = Field(gt=1)
    window_hours: float = Field(gt=0)
    poll_seconds: float = Field(gt=0, le=30)


class MonitoringParams(Section):
    """A window is drifted when at least `drifted_share` of its signals pass `drift_threshold`.

    Retraining is asked for when `violations` of the last `windows` are drifted, the newest among
    them, and no retraining was asked for within `cooldown_days`.
    """

    window_days: int = Field(ge=1)
    min_window_images: int = Field(ge=1)
    max_window_images: int = Field(ge=1)
    statistic: Literal["psi", "ks", "wasserstein"]
    drift_threshold: float = Field(gt=0)
    drifted_share: float = Field(gt=0, le=1)
    violations: int = Field(ge=1)
    windows: int = Field(ge=1)
    cooldown_days: int = Field(ge=0)

    @model_validator(mode="after")
    def _violations_fit(self) -> Self:
        if self.violations > self.windows:
            raise ValueError("violations cannot exceed windows")
        return self
