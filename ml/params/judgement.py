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
    `approval`: whether a person must approve what the gates let pass: never, always, or only where
    the critical label's sensitivity is another than the incumbent's (or there is none).
    No answer within `approval_hours` refuses; with `second_person` whoever started the run must not
    approve it.
    `expected_share`: what a good model reaches; tells whether the test split has power to decide.
    """

    approval: Literal["never", "always", "critical"]
    approval_hours: float = Field(gt=0)
    second_person: bool
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
    rollback_seconds: float = Field(gt=0)


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
    """When a window counts as drifted, and when a new model is asked for.

    A signal moved when its p-value stands out among those of all signals at
    `false_discovery_rate`, and its effect is at least a floor: `distance_floor` for distributions
    of numbers and for mixes (the largest difference of two cumulative shares, or half the sum of
    differences of shares), `share_floor` for answers, referrals and quality rejects. Without
    `min_window_images` independent images nothing is judged; a site or scanner needs
    `min_slice_images` on both sides.

    `page_images`: rows that Evidently's page draws; nothing is judged on a sample. `exemplars`:
    images named as examples of what moved. `confidence`: of all intervals. Performance is judged
    from `min_labelled` labels on, and estimates of the last `checked_windows` are held against
    labels that came since.

    Retraining is asked for when `violations` of the last `windows` are drifted, the newest among
    them; when `new_labels` were given since the last request; or when measured, else estimated,
    performance is under `accuracy_floor` or `critical_sensitivity_floor` with its whole interval.
    Never within `cooldown_days` of the last request.

    Answers older than `keep_days` go from the database into the archive; no window that is still
    looked at may reach back so far.
    """

    window_days: int = Field(ge=1)
    min_window_images: int = Field(ge=2)
    min_slice_images: int = Field(ge=2)
    false_discovery_rate: float = Field(gt=0, lt=0.5)
    distance_floor: float = Field(ge=0, lt=1)
    share_floor: float = Field(ge=0, lt=1)
    page_images: int = Field(ge=100, le=20_000)
    exemplars: int = Field(ge=0, le=100)
    confidence: float = Field(gt=0.5, lt=1)
    min_labelled: int = Field(ge=1)
    checked_windows: int = Field(ge=0, le=104)
    violations: int = Field(ge=1)
    windows: int = Field(ge=1)
    new_labels: int = Field(ge=1)
    accuracy_floor: float = Field(ge=0, lt=1)
    critical_sensitivity_floor: float = Field(ge=0, lt=1)
    cooldown_days: int = Field(ge=0)
    keep_days: int = Field(ge=1)

    @model_validator(mode="after")
    def _windows_are_kept(self) -> Self:
        looked_at = self.window_days * (1 + max(self.windows, self.checked_windows))
        if self.keep_days < looked_at:
            raise ValueError(f"keep_days must be at least {looked_at}: windows look back so far")
        return self

    @model_validator(mode="after")
    def _violations_fit(self) -> Self:
        if self.violations > self.windows:
            raise ValueError("violations cannot exceed windows")
        return self
