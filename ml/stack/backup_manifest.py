"""What one backup holds: every file by its content, every database, and what it was made of."""

from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ml.store.dump import Kind

FORMAT: Literal[1] = 1


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise ValueError(f"{path} leads out of the installation")
    return path


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Inside = Annotated[str, AfterValidator(_inside)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Kept(_Part):
    sha256: Sha256
    size: int


class KeptFile(_Kept):
    """A file's content, and what is restored with it; sizes in bytes."""

    mode: int
    modified_ns: int


class KeptDatabase(_Kept):
    """A database's dump, and the migration it stood at."""

    kind: Kind
    revision: str | None


class Manifest(_Part):
    """One backup. `files` are by tree and path in it, `releases` of the packages that wrote them.

    `pseudonym_key` is a hash of the key that patients were named by, which is kept elsewhere;
    `left_out` names what is not here.
    """

    format: Literal[1] = FORMAT
    made_at: datetime
    releases: dict[str, str]
    files: dict[str, dict[Inside, KeptFile]]
    databases: dict[str, KeptDatabase] = {}
    artifact_root: str = ""
    pseudonym_key: Sha256 | None = None
    left_out: list[str] = []

    @property
    def contents(self) -> dict[str, int]:
        """Hash → size of everything that the backup needs."""
        files = [file for tree in self.files.values() for file in tree.values()]
        kept: list[_Kept] = [*self.databases.values(), *files]
        return {part.sha256: part.size for part in kept}
