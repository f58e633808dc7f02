"""Orthanc's REST interface, as far as it is needed (https://orthanc.uclouvain.be/book/users/rest.html)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ml.pacs.archive import Instance
from ml.pacs.http import HttpArchive

_CHANGES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened in the archive; `number` orders all of them."""

    number: int
    kind: str
    resource: str


class Orthanc(HttpArchive):
    """A connection to one Orthanc. Studies go by its own identifiers."""

    def changes(
        self, since: int, *, limit: int = _CHANGES_AT_ONCE
    ) -> tuple[list[Change], int, bool]:
        """What happened after change number `since`.

        Returns:
            The next changes, the number of the last of them, and whether there are no more.
        """
        told = self._get("/changes", since=since, limit=limit)
        found = [Change(item["Seq"], item["ChangeType"], item["ID"]) for item in told["Changes"]]
        return found, int(told["Last"]), bool(told["Done"])

    def is_stable(self, study: str) -> bool:
        """Whether nothing came to this study for a while.

        Raises:
            NotFound: it is no longer there.
        """
        return bool(self._get(f"/studies/{study}")["IsStable"])

    def study_of(self, series: str) -> str:
        """The study that a series belongs to.

        Raises:
            NotFound: it is no longer there.
        """
        return str(self._get(f"/series/{series}")["ParentStudy"])

    def instances(self, study: str) -> Iterator[Instance]:
        """See `Archive`."""
        uid = self._get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
        for series in self._get(f"/studies/{study}/series"):
            tags = series["MainDicomTags"]
            for instance in self._get(f"/series/{series['ID']}/instances"):
                yield Instance(
                    name=instance["ID"],
                    study_instance_uid=uid,
                    sop_instance_uid=instance["MainDicomTags"]["SOPInstanceUID"],
                    modality=tags.get("Modality", ""),
                    series_description=tags.get("SeriesDescription", ""),
                )

    def file(self, instance: Instance) -> bytes:
        """See `Archive`."""
        with self._object(f"/instances/{instance.name}/file") as answer:
            return b"".join(self._pieces(answer))

    def store(self, file: bytes) -> None:
        """See `Archive`."""
        self._ask("POST", "/instances", content=file, headers={"Content-Type": "application/dicom"})

    def _get(self, path: str, **params: int) -> Any:
        return self._ask("GET", path, params=params).json()
