"""Reviewed parameters: `params.toml`, one profile over its defaults, single overrides over both."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ml.contract.bundle import InputSpec
from ml.contract.decoding import DecodeLimits
from ml.contract.errors import InvalidParams

Initialisation = Literal["imagenet", "file", "champion", "random"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Section(BaseModel):
    # A misspelt key would otherwise silently keep the default.
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitParams(_Section):
    """Shares of groups in each split; they sum to 1."""

    train: float = Field(gt=0, lt=1)
    validation: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train, validation and test must sum to 1")
        return self


class DataParams(_Section):
    """Labels, bounds on images, and how a dataset is split.

    `near_duplicate_distance`: perceptual hashes differing in at most this many of 64 bits make
    images near-duplicates. `max_rejected_share`: a batch with more rejects is held as a whole.
    `shards`: pieces that one ingest is cut into.
    """

    labels: list[str] = Field(min_length=2)
    critical_label: str
    min_side: int = Field(ge=1)
    max_side: int = Field(ge=1)
    max_bytes: int = Field(ge=1)
    max_pixels: int = Field(ge=1)
    near_duplicate_distance: int = Field(ge=0, le=32)
    min_images_per_class: int = Field(ge=1)
    min_groups_per_class: int = Field(ge=3)
    max_rejected_share: float = Field(ge=0, le=1)
    shards: int = Field(ge=1, le=256)
    seed: int
    split: SplitParams

    @model_validator(mode="after")
    def _labels_are_names_of_folders(self) -> Self:
        for label in self.labels:
            if label != label.strip() or not label or "/" in label or label.startswith("."):
                raise ValueError(f"label {label!r} cannot be the name of a folder")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("two labels are the same")
        return self

    @model_validator(mode="after")
    def _critical_is_a_label(self) -> Self:
        if self.critical_label not in self.labels:
            raise ValueError(f"critical_label {self.critical_label!r} is not one of the labels")
        return self

    @property
    def limits(self) -> DecodeLimits:
        """What decoding checks before it decodes."""
        return DecodeLimits(max_bytes=self.max_bytes, max_pixels=self.max_pixels)


class ImageParams(_Section):
    """The model's input grid: `size`×`size` pixels, 1 (grey) or 3 (RGB) channels."""

    size: int = Field(ge=32, le=1024)
    channels: Literal[1, 3]

    @property
    def spec(self) -> InputSpec:
        """The same as the bundle's input."""
        return InputSpec(height=self.size, width=self.size, channels=self.channels)


class WarmStartParams(_Section):
    """What a training that goes on from the incumbent takes instead of `training`'s own values.

    `learning_rate_factor` is the share of `training.learning_rate`. `trainable_layers` is all
    of them where the incumbent learned from random weights: what its last layers alone can take
    in of images of a new scanner is little.
    """

    head_epochs: int = Field(ge=0)
    epochs: int = Field(ge=0)
    trainable_layers: int = Field(ge=0)
    learning_rate_factor: float = Field(gt=0, le=1)


class TrainingParams(_Section):
    """How members are trained.

    `head_epochs` train the head alone on frozen features (0 skips that stage, which makes sense
    from `random`); `epochs` then fine-tune the last `trainable_layers` layers, or all of them
    from `random`. `member_initialisation` names the members that start elsewhere than
    `initialisation` says. `weights` are the paths of backbone weights for initialisation `file`,
    by architecture; a file whose sha256 stands in `weights_sha256` must match it.
    """

    members: list[str] = Field(min_length=1)
    initialisation: Initialisation
    member_initialisation: dict[str, Initialisation] = Field(default_factory=dict)
    weights: dict[str, str] = Field(default_factory=dict)
    weights_sha256: dict[str, Sha256] = Field(default_factory=dict)
    head_epochs: int = Field(ge=0)
    epochs: int = Field(ge=0)
    trainable_layers: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    l2: float = Field(ge=0)
    early_stopping_patience: int = Field(ge=1)
    rotation_degrees: float = Field(ge=0, le=180)
    zoom: float = Field(ge=0, lt=1)
    horizontal_flip: bool
    shift: float = Field(ge=0, lt=1)
    gain: float = Field(ge=0, lt=1)
    contrast: float = Field(ge=0, lt=1)
    class_weights: bool
    smote: bool
    seed: int
    warm_start: WarmStartParams

    @property
    def from_champion(self) -> "TrainingParams":
        """The same training, warm from the incumbent's weights."""
        warm = self.warm_start
        return self.model_copy(
            update={
                "initialisation": "champion",
                "member_initialisation": {},
                "head_epochs": warm.head_epochs,
                "epochs": warm.epochs,
                "trainable_layers": warm.trainable_layers,
                "learning_rate": self.learning_rate * warm.learning_rate_factor,
            }
        )

    @model_validator(mode="after")
    def _hashes_belong_to_files(self) -> Self:
        unknown = ", ".join(sorted(set(self.weights_sha256) - set(self.weights)))
        if unknown:
            raise ValueError(f"weights_sha256 names {unknown}, for which weights has no file")
        return self

    def of(self, member: str) -> Self:
        """The same, with the initialisation of this one member."""
        chosen = self.member_initialisation.get(member, self.initialisation)
        return self.model_copy(update={"initialisation": chosen, "member_initialisation": {}})


class EnsembleParams(_Section):
    """What is fitted on validation data.

    `critical_specificity`: the critical threshold keeps at least this specificity.
    `selective_risk`: share of wrong answers allowed among those that are not referred; the refer
    band is the narrowest that keeps it. `conformal_error`: rate at which a prediction set may
    miss the true label, per class. `refer_unless_single`: refer sets without exactly one label.
    `projection_share`: part of validation groups that fits the embedding projection and is
    therefore not used as drift reference.
    """

    critical_specificity: float = Field(gt=0, lt=1)
    selective_risk: float = Field(ge=0, lt=1)
    conformal_error: float = Field(gt=0, lt=0.5)
    refer_unless_single: bool
    embedding_components: int = Field(ge=1, le=16)
    projection_share: float = Field(gt=0, lt=1)


class QuantizationParams(_Section):
    """`float_members` stay fp32 by decision; others fall back when `max_flip_rate` is passed."""

    calibration_images: int = Field(ge=1)
    calibration_method: Literal["minmax", "entropy", "percentile"]
    float_members: list[str]
    max_flip_rate: float = Field(ge=0, le=1)


class EvaluationParams(_Section):
    """`paper_members` are trained a second time on a random image split, for comparison only.

    `specificity`: where the critical label's sensitivity is reported, whatever the threshold.
    """

    confidence: float = Field(gt=0.5, lt=1)
    bootstrap_rounds: int = Field(ge=100)
    specificity: float = Field(gt=0, lt=1)
    min_slice_images: int = Field(ge=1)
    paper_members: list[str]
    seed: int


class ExperimentParams(_Section):
    """What the five experiments vary; all else is as `training` and `ensemble` say.

    `baseline` learns from random weights at `baseline_learning_rate`. `transfer` is trained
    without and with the intensive augmentation (`rotation_degrees`, `zoom`, `horizontal_flip`),
    the members of the vote with it. `ablation` is the architecture on which the remedies against
    rare classes are taken apart, empty for none; `ablation_head_epochs` is its head stage where
    `training.head_epochs` is 0.
    """

    baseline: str
    baseline_learning_rate: float = Field(gt=0)
    transfer: str
    rotation_degrees: float = Field(ge=0, le=180)
    zoom: float = Field(ge=0, lt=1)
    horizontal_flip: bool
    ablation: str
    ablation_head_epochs: int = Field(ge=1)


class GateParams(_Section):
    """Floors are met by one-sided lower confidence bounds, ceilings by upper ones.

    `false_promotion`: chance, over the first `max_test_uses` candidates that one test split
    judges, that any of them is promoted though it is truly under a floor or margin; the bounds'
    confidence follows from it. After those uses the split asks for new images.
    A margin is how much worse than the incumbent the lower bound of the difference may be. Margins
    are wide because a few patients cannot tell less: see docs/adr/0004.
    `class_*` hold for each label other than the critical one. A slice is judged when equal answers
    would use at most half of `slice_margin`; smaller ones block only with `require_slices`.
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
    require_slices: bool
    calibration_error_ceiling: float = Field(ge=0, le=1)
    max_flip_rate: float = Field(ge=0, le=1)
    max_critical_sensitivity_loss: float = Field(ge=0, le=1)
    latency_p99_ms: float = Field(gt=0)
    load_seconds: float = Field(gt=0)
    max_memory_mb: float = Field(gt=0)


class MonitoringParams(_Section):
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


class Params(_Section):
    """All parameters of one run."""

    profile: str
    data: DataParams
    image: ImageParams
    training: TrainingParams
    ensemble: EnsembleParams
    quantization: QuantizationParams
    evaluation: EvaluationParams
    experiments: ExperimentParams
    gates: GateParams
    monitoring: MonitoringParams

    @property
    def sha256(self) -> str:
        """Digest of all values, for lineage."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load_params(path: Path, *, profile: str | None = None, overrides: Sequence[str] = ()) -> Params:
    """Read `params.toml`.

    Args:
        path: the file.
        profile: `standard` or the name of a `[profiles.NAME]` table; the file's own if None.
        overrides: `section.key=value` with a TOML value (a bare word is a string), or
            `profile=NAME`, applied last.

    Raises:
        InvalidParams: unreadable file, unknown profile or key, or a value out of bounds.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidParams(
            f"{path} cannot be read: {error}.", remedy="Restore it from version control."
        ) from error
    profiles = values.pop("profiles", {})
    assignments = [_parse_override(text) for text in overrides]
    for keys, value in assignments:
        if keys == ["profile"]:
            profile = str(value)
    chosen = profile or values.get("profile", "standard")
    if chosen != "standard":
        if chosen not in profiles:
            known = ", ".join(["standard", *profiles])
            raise InvalidParams(f"There is no profile {chosen!r}.", remedy=f"Choose from {known}.")
        _merge(values, profiles[chosen])
    for keys, value in assignments:
        if keys != ["profile"]:
            _assign(values, keys, value)
    values["profile"] = chosen
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidParams(
            f"Parameter {key}: {first['msg']}.", remedy=f"Correct it in {path.name} or in --set."
        ) from error


def _parse_override(text: str) -> tuple[list[str], object]:
    key, separator, raw = text.partition("=")
    if not separator or not key.strip():
        raise InvalidParams(
            f"{text!r} is not an override.", remedy="Write it as section.key=value."
        )
    try:
        value: object = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    return key.strip().split("."), value


def _merge(target: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _assign(values: dict[str, Any], keys: list[str], value: object) -> None:
    table = values
    for key in keys[:-1]:
        table = table.get(key, {})
        if not isinstance(table, dict):
            break
    if not isinstance(table, dict) or keys[-1] not in table:
        raise InvalidParams(
            f"There is no parameter {'.'.join(keys)!r}.", remedy="See params.toml for the names."
        )
    table[keys[-1]] = value
