"""Which images there are, how a dataset is cut, and the grid that a model sees."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ml.contract.bundle import InputSpec
from ml.contract.decoding import DecodeLimits
from ml.params.section import Section


class SplitParams(Section):
    """Shares of groups in each split; they sum to 1."""

    train: float = Field(gt=0, lt=1)
    validation: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train, validation and test must sum to 1")
        return self


class DataParams(Section):
    """Labels, bounds on images, and how a dataset is split.

    `near_duplicate_distance`: perceptual hashes differing in at most this many of 64 bits make
    images near-duplicates, and so do descriptors (`ml.data.appearance`) whose cosine is at least
    `near_duplicate_similarity`, also where one image is mirrored. `max_rejected_share`: a batch
    with more rejects is held as a whole. `shards`: pieces that one ingest is cut into.
    """

    labels: list[str] = Field(min_length=2)
    critical_label: str
    min_side: int = Field(ge=1)
    max_side: int = Field(ge=1)
    max_bytes: int = Field(ge=1)
    max_pixels: int = Field(ge=1)
    near_duplicate_distance: int = Field(ge=0, le=32)
    near_duplicate_similarity: float = Field(ge=0.9, le=1)
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


class ImageParams(Section):
    """The model's input grid: `size`×`size` pixels, 1 (grey) or 3 (RGB) channels."""

    size: int = Field(ge=32, le=1024)
    channels: Literal[1, 3]

    @property
    def spec(self) -> InputSpec:
        """The same as the bundle's input."""
        return InputSpec(height=self.size, width=self.size, channels=self.channels)
