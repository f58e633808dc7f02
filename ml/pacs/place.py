"""Where a feed is: a small file that is replaced whole, so that it is never half a place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from ml.data.storage import write_bytes

_PAUSE = timedelta(minutes=15)
_PATIENCE = timedelta(days=1)


class Trouble(BaseModel):
    """Since when a study cannot be dealt with, and when that was last tried.

    `first` is None as long as nothing is known against the study itself.
    """

    model_config = ConfigDict(extra="forbid")

    first: datetime | None = None
    last: datetime

    @classmethod
    def again(cls, before: "Trouble | None", *, ages: bool) -> "Trouble":
        """One more failure, now.

        Args:
            ages: whether it is the study's own, so that its day of patience runs.
        """
        now = datetime.now(UTC)
        first = before.first if before else None
        return cls(first=first or (now if ages else None), last=now)

    @property
    def rests(self) -> bool:
        """Whether it is too early to try again."""
        return datetime.now(UTC) - self.last < _PAUSE

    @property
    def is_old(self) -> bool:
        """Whether the next attempt is the last."""
        return self.first is not None and datetime.now(UTC) - self.first > _PATIENCE


Place = TypeVar("Place", bound=BaseModel)


def read_place(path: Path, kind: type[Place]) -> Place:
    """What was kept last; the start before that."""
    return kind.model_validate_json(path.read_bytes()) if path.is_file() else kind()


def write_place(path: Path, place: BaseModel) -> None:
    """Keep a place."""
    write_bytes(path, f"{place.model_dump_json(indent=2)}\n".encode())
