"""What the data stages hand on: small, JSON-able, without patients' identifiers past ingest."""

from datetime import date, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IncomingImage(_Result):
    """A file seen in a source, not opened yet.

    `path` is relative to the source, and the only place here that may name a patient.
    `fingerprint` is a keyed hash of path, size, modification time and metadata: the same file is
    not ingested twice. `patient` and `study` are keyed pseudonyms, `acquired_on` is shifted.
    `quarantined` is the id under which the file lies in quarantine, released from there.
    """

    path: str
    label: str | None
    patient: str | None = None
    study: str | None = None
    acquired_on: date | None = None
    site: str | None = None
    scanner: str | None = None
    age: int | None = None
    sex: str | None = None
    fingerprint: str
    quarantined: str | None = None


class BatchPlan(_Result):
    """How many files are ingested together, and in how many shards; names none of them."""

    batch_id: str
    images: int
    shards: int
    planned_at: datetime


class Shard(_Result):
    """One shard's files. `source` is the folder or `s3://` prefix that their paths are relative to.

    Its paths may name patients: it is sealed wherever it is kept.
    """

    source: str
    files: list[IncomingImage]


class ShardResult(_Result):
    """One ingested shard: rows written, and files that could not be read."""

    index: int
    accepted: int
    rejected: int


class BatchResult(_Result):
    """All shards of a batch, merged."""

    batch_id: str
    rows: int
    rejected: int


class BatchDecision(_Result):
    """What a person decided on a held batch: taken as it is, or discarded as a whole."""

    action: Literal["accept", "discard"]
    by: str
    reason: str
    at: AwareDatetime


class ValidationReport(_Result):
    """What validation decided. `rejected` and `warnings` count images per plain reason.

    `rejected` includes files that were unreadable at ingest, so that
    rows read + unreadable = `rows` = `accepted` + the sum of `rejected`. `unlabelled` of the
    accepted images wait for a label; `per_label` and `per_site` count those that have one.
    `unjudged`: expectations of the batch for which there was too little of something.
    `held_because`: what holds the batch, or would but for the `decision`.
    """

    batch_id: str
    rows: int
    accepted: int
    unlabelled: int = 0
    rejected: dict[str, int]
    per_label: dict[str, int] = Field(default_factory=dict)
    per_site: dict[str, int] = Field(default_factory=dict)
    warnings: list[str]
    unjudged: list[str] = Field(default_factory=list)
    held: bool
    held_because: list[str] = Field(default_factory=list)
    decision: BatchDecision | None = None
    docs: str | None
    verdict: str


class ManifestReport(_Result):
    """What a check of the whole manifest found that is no damage. `rows` counts repeated images."""

    rows: int
    warnings: list[str]
    docs: str
    verdict: str


class LeakReport(_Result):
    """Evidence that no image or patient stands on both sides of a split, now or over time.

    `exact_copies`: images stored more than once. `near_duplicate_pairs` and `twin_pairs`: pairs
    within the distance of the perceptual hash, and pairs of close descriptors; of equal ones, each
    is paired with the first only, and of more than 64 that are linked not every pair is told.
    `cross_split_groups`: groups found in more than one split, past test splits included, which
    must be 0. `conflicting_groups`: near-duplicate groups with more than one label;
    `conflicting_image_ids` names up to 50 of their images.
    """

    exact_copies: int = Field(ge=0)
    near_duplicate_pairs: int = Field(ge=0)
    twin_pairs: int = Field(default=0, ge=0)
    cross_split_groups: int = Field(ge=0)
    conflicting_groups: int = Field(ge=0)
    conflicting_image_ids: list[str] = Field(default_factory=list, max_length=50)


class Judgement(_Result):
    """How often a classifier was right: over all images, and over those of each label."""

    accuracy: float
    recall: dict[str, float]


class FolderAudit(_Result):
    """What `vigie audit` found in a folder.

    `exact_copies`: files whose pixels another file has; `conflicting_copies`: paths of copies that
    carry different labels, to be shown to the folder's owner only. `hash_twin_share`: images with
    another within the distance of the perceptual hash; `twin_share`: or with a close descriptor.
    `twins_across_labels`: images in look-alike groups of more than one label.
    """

    files: int
    images: int
    groups: int
    exact_copies: int
    conflicting_copies: list[str]
    hash_twin_share: float
    twin_share: float
    twins_across_labels: int
    random_split: Judgement | None
    grouped_split: Judgement | None


class DatasetInfo(_Result):
    """A frozen dataset. `per_split` is split → label → images; `card` is a path; `warnings` are
    those of `expectations/dataset.json`.

    `set_aside`: accepted images that are left out because a past test image and images of other
    splits are tied, by `ties` new images. `conflicts`: images that carry another label than a
    look-alike or another delivery of them, about which nobody has decided; `disputed` of them are
    left out. `suspects`: images whose label models doubt, likewise. `relabelled`: images whose
    label a person decided. `waiting`: accepted images without a label.
    """

    dataset_id: str
    images: int
    groups: int
    per_class: dict[str, int]
    per_split: dict[str, dict[str, int]]
    leak: LeakReport
    card: str
    set_aside: int = Field(default=0, ge=0)
    ties: int = Field(default=0, ge=0)
    conflicts: int = Field(default=0, ge=0)
    disputed: int = Field(default=0, ge=0)
    suspects: int = Field(default=0, ge=0)
    relabelled: int = Field(default=0, ge=0)
    waiting: int = Field(default=0, ge=0)
    warnings: list[str] = Field(default_factory=list)


class CohortSummary(_Result):
    """A written phantom cohort. `files` counts everything listed in `images.csv`, faults too."""

    folder: str
    files: int
    patients: int
    per_label: dict[str, int]
    per_media_type: dict[str, int]
    faults: dict[str, int]
