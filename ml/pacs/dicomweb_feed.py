"""Which studies became complete in a DICOMweb archive, by looking at those of the last days."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ml.pacs.dicomweb import DicomWeb
from ml.pacs.place import Trouble, read_place, write_place

QUIET_SECONDS = 60


class SeenStudy(BaseModel):
    """How many instances a study had, since when, and whether it was dealt with as such."""

    model_config = ConfigDict(extra="forbid")

    instances: int
    since: datetime
    settled: bool = False
    trouble: Trouble | None = None


class DicomWebPlace(BaseModel):
    """The studies of the last look, by keyed names."""

    model_config = ConfigDict(extra="forbid")

    studies: dict[str, SeenStudy] = Field(default_factory=dict)


class DicomWebFeed:
    """DICOMweb tells of no events: complete is what has not grown for a while."""

    def __init__(
        self,
        archive: DicomWeb,
        path: Path,
        *,
        name: Callable[[str], str],
        days: int,
        quiet: timedelta | None = None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            path: the file in which the place is kept.
            name: study instance UID → keyed name.
            days: how far back a study's date may lie.
            quiet: how long a study must have had as many instances as now; default a minute.
        """
        self._archive = archive
        self._path = path
        self._name = name
        self._days = days
        self._quiet = timedelta(seconds=QUIET_SECONDS) if quiet is None else quiet
        self._place = read_place(path, DicomWebPlace)

    def complete(self, at_most: int) -> Iterator[str]:
        """See `Feed`."""
        ready = self._look()
        yield from ready[:at_most]

    def settle(self, study: str) -> None:
        """See `Feed`."""
        seen = self._place.studies[self._name(study)]
        seen.settled, seen.trouble = True, None
        self._keep()

    def fail(self, study: str, *, ages: bool) -> None:
        """See `Feed`."""
        seen = self._place.studies[self._name(study)]
        seen.trouble = Trouble.again(seen.trouble, ages=ages)
        self._keep()

    def is_last_try(self, study: str) -> bool:
        """See `Feed`."""
        trouble = self._place.studies[self._name(study)].trouble
        return trouble is not None and trouble.is_old

    def _look(self) -> list[str]:
        """List the window; what lies before it is forgotten."""
        now, ready = datetime.now(UTC), []
        listed: dict[str, SeenStudy] = {}
        # A day more: the archive's clock may be in another time zone.
        window = (now - timedelta(days=self._days)).date(), (now + timedelta(days=1)).date()
        for study, told in self._archive.studies(*window):
            count = sum(1 for _ in self._archive.instances(study)) if told is None else told
            name = self._name(study)
            seen = self._place.studies.get(name)
            if seen is None or seen.instances != count:
                seen = SeenStudy(instances=count, since=now)
            elif not seen.settled and self._is_ready(seen, now):
                ready.append(study)
            listed[name] = seen
        self._place.studies = listed
        self._keep()
        return ready

    def _is_ready(self, seen: SeenStudy, now: datetime) -> bool:
        return now - seen.since >= self._quiet and not (seen.trouble and seen.trouble.rests)

    def _keep(self) -> None:
        write_place(self._path, self._place)
