"""The one tree of typed errors. They know nothing of HTTP, Airflow or exit codes: edges map them.

Three families matter to a caller:

- `InputError`: what was handed in cannot be used; asking again with the same input fails again.
- `Refusal`: a stage looked at the evidence and declines to go on; retrying cannot help.
- `Unavailable`: a part the system depends on did not answer; retrying may help.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class VigieError(Exception):
    """Base of all errors raised on purpose.

    `message` says what happened and names the input; `remedy` says what to do about it.
    `details` is small JSON-ready data for machines and never holds pixels or identifiers.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, remedy: str = "", details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = dict(details or {})

    def __str__(self) -> str:
        """The message, then the remedy."""
        return f"{self.message} {self.remedy}".strip()


class InputError(VigieError):
    """What was handed in cannot be used."""

    code = "invalid-input"


class UnreadableImage(InputError):
    """The bytes claim to be an image of a supported type but cannot be decoded."""

    code = "unreadable-image"


class UnsupportedImage(InputError):
    """The bytes are not of an image type that Vigie reads."""

    code = "unsupported-image"


class UnsupportedTransferSyntax(UnsupportedImage):
    """The DICOM file is encoded in a transfer syntax that Vigie does not decode."""

    code = "unsupported-transfer-syntax"


class NoPixelData(UnsupportedImage):
    """The DICOM file holds no image: a report, a key object note, a plan, a waveform."""

    code = "no-pixel-data"


class EncapsulatedDocument(UnsupportedImage):
    """The DICOM file holds a document, such as a PDF, instead of an image."""

    code = "encapsulated-document"


class SeveralFrames(UnsupportedImage):
    """The file holds several frames, and none is to be chosen."""

    code = "several-frames"


class UnsupportedPixels(UnsupportedImage):
    """The image's pixels are of a kind that Vigie does not show: colour model, depth, channels."""

    code = "unsupported-pixels"


class ImageTooLarge(InputError):
    """The image has more bytes or more pixels than the limit."""

    code = "image-too-large"


class DeflateBomb(ImageTooLarge):
    """The deflated DICOM file inflates to more bytes than the limit."""

    code = "deflate-bomb"


class InvalidParams(InputError):
    """params.toml, a profile or an override is wrong."""

    code = "invalid-params"


class NotFound(InputError):
    """A named thing (run, dataset, version, file) does not exist."""

    code = "not-found"


class WeightsInvalid(InputError):
    """A weights file is damaged, altered, or belongs to another network."""

    code = "weights-invalid"


class Refusal(VigieError):
    """A stage declines to go on. `reasons` are sentences a person reads."""

    code = "refused"

    def __init__(
        self,
        message: str,
        *,
        reasons: Sequence[str] = (),
        remedy: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, details=details)
        self.reasons = list(reasons)


class NothingToIngest(Refusal):
    """The landing zone holds no file that has not been ingested before."""

    code = "nothing-to-ingest"


class BatchHeld(Refusal):
    """Validation holds the whole batch back: too much of it is wrong."""

    code = "batch-held"


class ManifestDamaged(Refusal):
    """The manifest is not what validation wrote."""

    code = "manifest-damaged"


class DatasetTooSmall(Refusal):
    """Too few images or patients to split into train, validation and test."""

    code = "dataset-too-small"


class DatasetRefused(Refusal):
    """A snapshot fails a critical expectation; nothing was frozen."""

    code = "dataset-refused"


class TrainingFailed(Refusal):
    """A member cannot be trained on this data (NaN loss, constant output, a class missing)."""

    code = "training-failed"


class PromotionConflict(Refusal):
    """Another promotion or rollback moved the alias first; nothing was changed."""

    code = "promotion-conflict"


class AlreadyDecided(Refusal):
    """Another person decided first; nothing was changed."""

    code = "already-decided"


class BundleInvalid(VigieError):
    """A bundle is incomplete, altered, of an unknown schema, or does not reproduce its answers."""

    code = "bundle-invalid"


class EngineUnusable(VigieError):
    """An inference engine is not installed, cannot load the graph, or does not answer alike."""

    code = "engine-unusable"


class LedgerBroken(VigieError):
    """The ledger's hash chain does not hold."""

    code = "ledger-broken"


class Unavailable(VigieError):
    """A dependency (registry, database, artifact store, server) did not answer."""

    code = "unavailable"


class DiskFull(Unavailable):
    """There is no room for what a stage leaves behind; nothing half-written stays."""

    code = "disk-full"
