"""Where models come from: a folder, or the registry (see registry_source)."""

from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from ml.contract.bundle import BUNDLE_FILE, Bundle, bundle_sha256
from ml.contract.errors import BundleInvalid
from ml.contract.records import ModelIdentity


class Candidate(BaseModel):
    """A model that should answer, where its source finds it, and its share of the requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: ModelIdentity
    alias: str | None
    location: str
    weight: float = 1.0


class Source(Protocol):
    """What the watcher asks. Methods may block and are called from one thread at a time."""

    def look(self) -> Candidate | None:
        """The model that should answer now; None if nothing is named.

        Raises:
            Unavailable: the source does not answer.
            BundleInvalid: what it names is not one of ours.
        """

    def last_good(self) -> Candidate | None:
        """The model that answered last, if it is at hand without asking anybody."""

    def fetch(self, candidate: Candidate) -> Path:
        """The candidate's bundle as a local folder.

        Raises:
            Unavailable: it cannot be had at the moment.
            BundleInvalid: it is damaged.
        """

    def accept(self, candidate: Candidate) -> None:
        """Take note that the candidate answers now."""


class FolderSource:
    """One bundle folder, or a link to one that may be pointed elsewhere at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def look(self) -> Candidate:
        """The bundle that the folder holds now; its run key stands in for a registry version."""
        folder = self._folder.resolve()
        path = folder / BUNDLE_FILE
        if not path.is_file():
            raise BundleInvalid(
                f"{self._folder} holds no {BUNDLE_FILE}.",
                remedy="Name a sealed bundle: a folder that `vigie export` wrote.",
            )
        try:
            bundle = Bundle.model_validate_json(path.read_bytes())
        except ValueError as error:
            raise BundleInvalid(
                f"{self._folder}: {BUNDLE_FILE} does not follow the schema.",
                remedy="Serve it with the code that made it, or export it again.",
            ) from error
        identity = ModelIdentity(
            name=bundle.name, version=bundle.run_key, bundle=bundle_sha256(folder)
        )
        return Candidate(identity=identity, alias=None, location=str(folder))

    def last_good(self) -> None:
        """Nothing: the folder itself is at hand."""

    def fetch(self, candidate: Candidate) -> Path:
        """The folder that was looked at."""
        return Path(candidate.location)

    def accept(self, candidate: Candidate) -> None:
        """Nothing to note."""
