"""Which studies became complete in an Orthanc, by its log of changes."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ml.contract.errors import NotFound
from ml.pacs.orthanc import Change, Orthanc
from ml.pacs.place import Trouble, read_place, write_place

logger = logging.getLogger(__name__)

_NEW_SERIES = "NewSeries"
# `StableStudy` alone would do, were it not forgotten where Orthanc is restarted in between.
_KINDS = frozenset({"NewStudy", _NEW_SERIES, "StableStudy"})


class OrthancPlace(BaseModel):
    """Up to which change the log was read, and the changes whose studies are not settled.

    `waiting` is the keyed name of a study by the number of a change, `trouble` by such a name.
    """

    model_config = ConfigDict(extra="forbid")

    since: int = 0
    waiting: dict[int, str] = Field(default_factory=dict)
    trouble: dict[str, Trouble] = Field(default_factory=dict)


class OrthancFeed:
    """Reads on where it was; a log that began anew is read from its beginning."""

    def __init__(self, archive: Orthanc, path: Path, *, name: Callable[[str], str]) -> None:
        """Nothing is asked yet.

        Args:
            path: the file in which the place is kept.
            name: Orthanc's name of a study → keyed name.
        """
        self._archive = archive
        self._path = path
        self._name = name
        self._place = read_place(path, OrthancPlace)
        self._read_before: dict[str, int] = {}

    def complete(self, at_most: int) -> Iterator[str]:
        """See `Feed`."""
        looked_at: set[str] = set()
        given, more = 0, self._read_on()
        while given < at_most:
            waiting = self._place.waiting.items()
            number, name = next((item for item in waiting if item[1] not in looked_at), (0, ""))
            if not number:
                if not more:
                    return
                more = self._read_on()
                continue
            if name in self._place.trouble and self._place.trouble[name].rests:
                looked_at.add(name)
                continue
            try:
                study = self._study(number)
            except NotFound:
                # The study may have been sent again since, and a later change leads to it.
                self._forget(number)
                continue
            looked_at.add(name)
            try:
                is_stable = self._archive.is_stable(study)
            except NotFound:
                self._drop(name)
                continue
            if is_stable:
                self._read_before[name] = self._place.since
                given += 1
                yield study

    def settle(self, study: str) -> None:
        """See `Feed`."""
        self._drop(self._name(study))

    def fail(self, study: str, *, ages: bool) -> None:
        """See `Feed`."""
        name = self._name(study)
        self._place.trouble[name] = Trouble.again(self._place.trouble.get(name), ages=ages)
        self._keep()

    def is_last_try(self, study: str) -> bool:
        """See `Feed`."""
        trouble = self._place.trouble.get(self._name(study))
        return trouble is not None and trouble.is_old

    def _read_on(self) -> bool:
        """Read the next changes; returns whether there are more."""
        changes, last, done = self._archive.changes(self._place.since)
        if last < self._place.since:
            logger.warning("The archive's log began anew: all of it is looked at again.")
            self._place = OrthancPlace()
            return True
        for change in changes:
            if change.kind in _KINDS:
                try:
                    self._place.waiting[change.number] = self._name(self._study_of(change))
                except NotFound:
                    continue  # deleted in the meantime
        self._place.since = last
        self._keep()
        return not done

    def _study(self, number: int) -> str:
        """The study of a change.

        Raises:
            NotFound: the change or its series was deleted.
        """
        found, _, _ = self._archive.changes(number - 1, limit=1)
        if not found or found[0].number != number:
            raise NotFound("The archive no longer holds this change.")
        return self._study_of(found[0])

    def _study_of(self, change: Change) -> str:
        if change.kind == _NEW_SERIES:
            return self._archive.study_of(change.resource)
        return change.resource

    def _forget(self, number: int) -> None:
        """This change leads to nothing any more; others of its study may."""
        name = self._place.waiting.pop(number)
        if name not in self._place.waiting.values():
            self._place.trouble.pop(name, None)
        self._keep()

    def _drop(self, name: str) -> None:
        """What led to this study and was read before it was looked at needs no other look."""
        until = self._read_before.get(name, self._place.since)
        self._place.waiting = {
            number: other
            for number, other in self._place.waiting.items()
            if other != name or number > until
        }
        self._place.trouble.pop(name, None)
        self._keep()

    def _keep(self) -> None:
        write_place(self._path, self._place)
