"""Which images there are, how a dataset is cut, and the grid that a model sees."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ml.contract.bundle import InputSpec
from ml.contract.decoding import DecodeLimits, FramePolicy
from ml.params.quality import QualityParams
from ml.params.section import Section

UNLABELLED = "unlabelled"
"""The folder of a delivery whose images get their label later; so no label can have this name."""

NOT_STATED = "not stated"
"""The licence of images of which nobody said it."""


BurnedInPolicy = Literal["refuse", "mask", "accept"]


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
    """Labels, bounds on images, what is asked of their quality, and how a dataset is split.

    `near_duplicate_distance`: perceptual hashes differing in at most this many of 64 bits make
    images near-duplicates, and so do descriptors (`ml.data.appearance`) whose cosine is at least
    `near_duplicate_similarity`, also where one image is mirrored. `max_tied_images`: past images
    that are given up where a new one joins a test to other splits; of more, the new ones are left
    out instead. `max_rejected_share`: a batch
    with more rejects is held as a whole. `frames`: of a file of several frames or pages, `refuse`
    it, or take its `first` or its `middle` one. An ingest is cut into at least `shards` pieces,
    for as many workers, of at most `shard_images` files each.
    `conflicts`: whether look-alikes with different labels stay in a dataset until a person has
    decided, or are set aside. `licence`: under which the images may be used, for the card.
    `burned_in`: what becomes of a DICOM image that carries text, or whose kind usually does and
    that does not exclude it: `refuse`, `mask` what lies outside an ultrasound image's regions, or
    `accept`, where someone has looked at the images before. `text_check_share`: the share of images
    whose pixels are looked at for lines of text (`ml.data.text_lines`), which takes as long as
    decoding them. `text_seen`: what follows, a warning or, where all are looked at, a refusal.
    """

    labels: list[str] = Field(min_length=2)
    critical_label: str
    min_side: int = Field(ge=1)
    max_side: int = Field(ge=1)
    max_bytes: int = Field(ge=1)
    max_pixels: int = Field(ge=1)
    frames: FramePolicy
    near_duplicate_distance: int = Field(ge=0, le=32)
    near_duplicate_similarity: float = Field(ge=0.9, le=1)
    min_images_per_class: int = Field(ge=1)
    min_groups_per_class: int = Field(ge=3)
    max_rejected_share: float = Field(ge=0, le=1)
    shards: int = Field(ge=1, le=256)
    shard_images: int = Field(ge=1, le=100_000)
    max_tied_images: int = Field(ge=0)
    conflicts: Literal["keep", "set_aside"]
    licence: str = Field(min_length=1, max_length=500)
    burned_in: BurnedInPolicy
    text_check_share: float = Field(ge=0, le=1)
    text_seen: Literal["warn", "refuse"]
    seed: int
    split: SplitParams
    quality: QualityParams

    @model_validator(mode="after")
    def _labels_are_names_of_folders(self) -> Self:
        for label in self.labels:
            if label != label.strip() or not label or "/" in label or label.startswith("."):
                raise ValueError(f"label {label!r} cannot be the name of a folder")
        if UNLABELLED in self.labels:
            raise ValueError(f"{UNLABELLED!r} names the folder of images without a label")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("two labels are the same")
        return self

    @model_validator(mode="after")
    def _critical_is_a_label(self) -> Self:
        if self.critical_label not in self.labels:
            raise ValueError(f"critical_label {self.critical_label!r} is not one of the labels")
        return self

    @model_validator(mode="after")
    def _refusals_see_all(self) -> Self:
        if self.text_seen == "refuse" and self.text_check_share < 1:
            raise ValueError('text_seen "refuse" needs text_check_share 1')
        return self

    @property
    def limits(self) -> DecodeLimits:
        """What decoding checks before it decodes."""
        return DecodeLimits(self.max_bytes, self.max_pixels, self.frames)


class ImageParams(Section):
    """The model's input grid: `size`×`size` pixels, 1 (grey) or 3 (RGB) channels."""

    size: int = Field(ge=32, le=1024)
    channels: Literal[1, 3]

    @property
    def spec(self) -> InputSpec:
        """The same as the bundle's input."""
        return InputSpec(height=self.size, width=self.size, channels=self.channels)
