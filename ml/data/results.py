"""What the data stages hand on: small, JSON-able, without patients' identifiers past ingest."""

from pydantic import BaseModel, ConfigDict, Field


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IncomingImage(_Result):
    """A file seen in a source, not opened yet.

    `path` is relative to the source. `fingerprint` is the sha256 of path, size, modification time
    and metadata: the same file is not ingested twice. `patient_id` is the only real identifier in
    these models; it ends at ingest, where a keyed pseudonym replaces it.
    """

    path: str
    label: str | None
    patient_id: str | None = None
    site: str | None = None
    scanner: str | None = None
    age: int | None = None
    sex: str | None = None
    fingerprint: str


class BatchPlan(_Result):
    """Which files are ingested together, cut into shards. `source` is an absolute folder.

    May hold patients' identifiers: keep it with the images, not with logs or reports.
    """

    batch_id: str
    source: str
    shards: list[list[IncomingImage]]

    @property
    def images(self) -> int:
        """Number of files over all shards."""
        return sum(len(shard) for shard in self.shards)


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


class ValidationReport(_Result):
    """What validation decided. `rejected` and `warnings` count images per plain reason.

    `rejected` includes files that were unreadable at ingest, so that
    rows read + unreadable = `rows` = `accepted` + the sum of `rejected`.
    """

    batch_id: str
    rows: int
    accepted: int
    rejected: dict[str, int]
    warnings: list[str]
    held: bool
    docs: str | None
    verdict: str


class QuarantinedImage(_Result):
    """A file kept aside with the reasons. `quarantine_id` is the sha256 of its bytes.

    `file_bytes` is 0 for a file that was missing or too large to copy.
    """

    quarantine_id: str
    code: str
    reasons: list[str]
    label: str | None
    batch_id: str
    file_bytes: int


class LeakReport(_Result):
    """Evidence that no image or patient stands on both sides of a split, now or over time.

    `exact_copies`: images stored more than once. `near_duplicate_pairs` and `twin_pairs`: pairs
    within the distance of the perceptual hash, and pairs of close descriptors; of equal ones, each
    is paired with the first only. `cross_split_groups`: groups found in more than one split, past
    test splits included, which must be 0. `conflicting_groups`: near-duplicate groups with more
    than one label; `conflicting_image_ids` names up to 50 of their images.
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
    """A frozen dataset. `per_split` is split → label → images; `card` is a path.

    `set_aside`: accepted images that are left out because they tie a past test image to images of
    other splits.
    """

    dataset_id: str
    images: int
    groups: int
    per_class: dict[str, int]
    per_split: dict[str, dict[str, int]]
    leak: LeakReport
    card: str
    set_aside: int = Field(default=0, ge=0)


class CohortSummary(_Result):
    """A written phantom cohort. `files` counts everything listed in `images.csv`, faults too."""

    folder: str
    files: int
    patients: int
    per_label: dict[str, int]
    per_media_type: dict[str, int]
    faults: dict[str, int]
