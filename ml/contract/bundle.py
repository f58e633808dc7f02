"""The bundle: a sealed folder that holds one model and all that is needed to trust and serve it.

    model.onnx         what serves
    reference.parquet  validation records: the drift baseline
    golden.npz         inputs and the outputs that the model must reproduce
    model_card.md      for people
    bundle.json        written last; names every other file with its sha256

A folder without a valid `bundle.json` is not a bundle. Promotion state is never stored here.
"""

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml.contract.decision import DecisionPolicy
from ml.contract.errors import BundleInvalid

SCHEMA_VERSION: Final = 1
MODEL_FILE = "model.onnx"
REFERENCE_FILE = "reference.parquet"
GOLDEN_FILE = "golden.npz"
CARD_FILE = "model_card.md"
BUNDLE_FILE = "bundle.json"
CONTENT_FILES = (MODEL_FILE, REFERENCE_FILE, GOLDEN_FILE, CARD_FILE)


class _Sealed(BaseModel):
    # Unknown fields mean a bundle of a newer schema: refused rather than half understood.
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Sealed):
    """One batch is float32, (n, height, width, channels), −1…1."""

    height: int = Field(ge=16, le=1024)
    width: int = Field(ge=16, le=1024)
    channels: Literal[1, 3]


class MemberSpec(_Sealed):
    """One member of the vote. `weight` is its share in the soft vote."""

    name: str
    architecture: str
    weight: float = Field(ge=0, le=1)
    precision: Literal["int8", "fp32"]
    flip_rate: float = Field(ge=0, le=1, description="int8 label flips on validation images")
    quantization: str = Field("", description="the int8 setting; empty in fp32")


class AdaptiveVote(_Sealed):
    """When the member that is always asked may answer alone.

    It does where no more than `critical_ceiling` speaks for the critical label and at least
    `confidence` for another one, by its own probabilities at its own `temperature`. Otherwise all
    members vote. `stopped` is the share of validation images on which it answered alone.
    """

    first: str
    temperature: float = Field(gt=0)
    critical_ceiling: float = Field(ge=0, lt=1)
    confidence: float = Field(gt=0, le=1)
    stopped: float = Field(ge=0, le=1)


class QuantizationSpec(_Sealed):
    """How int8 members were calibrated, and on which CPU."""

    calibration_method: str
    calibration_images: int
    per_channel: bool
    reduce_range: bool
    cpu_model: str
    cpu_features: list[str]


class Bundle(_Sealed):
    """The content of `bundle.json`.

    Outputs of `model.onnx`, all float32: `probabilities` (n, labels), calibrated;
    `embedding` (n, ≤ 16), whitened; `activation_map` (n, rows, columns, labels). With an `adaptive`
    vote also `stopped_early` (n,), 1 where the first member answered alone; the embedding is then
    of its features only, for every image, and the map is of those who voted. Graphs of earlier
    releases lack `disagreement` (n,): how far the members are from their vote, 0…1.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    labels: list[str] = Field(min_length=2)
    input: InputSpec
    preprocessing_version: int
    temperature: float = Field(gt=0)
    policy: DecisionPolicy
    members: list[MemberSpec] = Field(min_length=1)
    adaptive: AdaptiveVote | None = None
    quantization: QuantizationSpec
    dataset_id: str
    run_key: str
    git_commit: str
    created_at: datetime
    files: dict[str, str] = Field(default_factory=dict, description="sha256 by file name")


def sha256_file(path: Path) -> str:
    """Hex digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bundle_sha256(folder: Path) -> str:
    """The bundle's identity: the digest of `bundle.json`, which names all other digests."""
    return sha256_file(folder / BUNDLE_FILE)


def seal_bundle(folder: Path, bundle: Bundle) -> str:
    """Hash the content files, write `bundle.json` last and atomically; return the identity.

    Raises:
        BundleInvalid: a content file is missing.
    """
    missing = [name for name in CONTENT_FILES if not (folder / name).is_file()]
    if missing:
        raise BundleInvalid(f"The bundle lacks {', '.join(missing)}.", remedy="Export it again.")
    files = {name: sha256_file(folder / name) for name in CONTENT_FILES}
    sealed = bundle.model_copy(update={"files": files})
    partial = folder / f".{BUNDLE_FILE}.{os.getpid()}.part"
    # A bundle without an adaptive vote is one that older servers know.
    without = {"adaptive"} if bundle.adaptive is None else set()
    content = sealed.model_dump(mode="json", exclude=without)
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.replace(folder / BUNDLE_FILE)
    return bundle_sha256(folder)


def open_bundle(folder: Path, *, expected_sha256: str | None = None) -> Bundle:
    """Read `bundle.json` and verify every file against it.

    Raises:
        BundleInvalid: missing, altered, of another schema, or not the one expected.
    """
    path = folder / BUNDLE_FILE
    if not path.is_file():
        raise BundleInvalid(f"{folder.name} holds no {BUNDLE_FILE}.", remedy="Export it again.")
    actual = bundle_sha256(folder)
    if expected_sha256 is not None and actual != expected_sha256:
        raise BundleInvalid(
            f"The bundle's hash is {actual[:12]}…, expected {expected_sha256[:12]}….",
            remedy="The copy is damaged or was replaced: fetch it again from the registry.",
        )
    try:
        bundle = Bundle.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BundleInvalid(
            f"{BUNDLE_FILE} does not follow schema {SCHEMA_VERSION}: {error.errors()[0]['msg']}.",
            remedy="Serve it with the code that made it, or export it again.",
        ) from error
    if set(bundle.files) != set(CONTENT_FILES):
        raise BundleInvalid("The bundle's list of files is incomplete.", remedy="Export it again.")
    for name, expected in bundle.files.items():
        file = folder / name
        if not file.is_file() or sha256_file(file) != expected:
            raise BundleInvalid(
                f"{name} is missing or differs from what was sealed.",
                remedy="Fetch the bundle again from the registry.",
            )
    return bundle
