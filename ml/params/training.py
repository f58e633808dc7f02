"""How members learn, how their vote is fitted and made small."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ml.params.section import Section

Initialisation = Literal["imagenet", "file", "champion", "random"]
CalibrationMethod = Literal["minmax", "entropy", "percentile"]
FloatNodes = Literal["none", "depthwise", "squeeze_excite"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class WarmStartParams(Section):
    """What a training that goes on from the incumbent takes instead of `training`'s own values.

    `learning_rate_factor` is the share of `training.learning_rate`. `trainable_layers` is all
    of them where the incumbent learned from random weights: what its last layers alone can take
    in of images of a new scanner is little.
    """

    head_epochs: int = Field(ge=0)
    epochs: int = Field(ge=0)
    trainable_layers: int = Field(ge=0)
    learning_rate_factor: float = Field(gt=0, le=1)


class TrainingParams(Section):
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


class AdaptiveParams(Section):
    """Whether one member may answer alone where it is sure and the critical label is not in play.

    `highest_critical`: an image in which one member gives the critical label more than this is
    answered by all; validation images may lower it.
    `error`: the share of patients of whom this may change any answer against the vote of all
    members; its upper bound on validation images, at `confidence`, keeps it. `min_saving`: the
    share of all multiplications that it must spare there; otherwise all members always run.
    """

    enabled: bool
    highest_critical: float = Field(gt=0, lt=0.5)
    error: float = Field(gt=0, lt=0.5)
    confidence: float = Field(gt=0.5, lt=1)
    min_saving: float = Field(gt=0, lt=1)


class EnsembleParams(Section):
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
    adaptive: AdaptiveParams


class QuantizationSetting(Section):
    """One way of making a member's convolutions int8.

    `activations` is where the range of the uint8 activations lies: `asymmetric` as measured,
    `symmetric` around zero. `float_nodes` are the convolutions left in float.
    """

    calibration: CalibrationMethod
    activations: Literal["asymmetric", "symmetric"]
    float_nodes: FloatNodes

    @property
    def name(self) -> str:
        """As tables name it."""
        kept = "" if self.float_nodes == "none" else f", {self.float_nodes} in float"
        return f"{self.calibration}, {self.activations}{kept}"


class QuantizationParams(Section):
    """How a member's int8 form is searched.

    `float_members` stay fp32 by decision. Others take the cheapest of `candidates` that changes
    at most `max_flip_rate` of the validation labels, loses at most `max_critical_loss` of the
    critical label's sensitivity there and saves at least `min_saving` of the CPU time; fp32
    where none does. A negative saving takes int8 for its size even where it is slower.
    """

    calibration_images: int = Field(ge=1)
    candidates: list[QuantizationSetting] = Field(min_length=1)
    float_members: list[str]
    max_flip_rate: float = Field(ge=0, le=1)
    max_critical_loss: float = Field(ge=0, le=1)
    min_saving: float = Field(lt=1)


class ExperimentParams(Section):
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
