"""Orthanc's REST interface, as far as it is needed (https://orthanc.uclouvain.be/book/users/rest.html)."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from ml.contract.errors import NotFound, Unavailable

_CHANGES_AT_ONCE = 100
_SECONDS = 60.0
_REMEDY = "See that Orthanc runs, and that VIGIE_PACS_URL, its user and its password are right."


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened in the archive; `number` orders all of them."""

    number: int
    kind: str
    resource: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One object of the archive: Orthanc's name for it, its own, and those of its series."""

    name: str
    sop_instance_uid: str
    modality: str
    series_description: str


class Orthanc:
    """A connection to one archive; use it as a context."""

    def __init__(self, url: str, credentials: tuple[str, str] | None = None) -> None:
        """`credentials` are user and password, where the archive asks for them."""
        self._client = httpx.Client(
            base_url=url,
            auth=credentials,
            timeout=_SECONDS,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def changes(self, since: int) -> tuple[list[Change], int, bool]:
        """What happened after change number `since`.

        Returns:
            The next changes, the number of the last of them, and whether there are no more.

        Raises:
            Unavailable: the archive does not answer.
        """
        told = self._get("/changes", since=since, limit=_CHANGES_AT_ONCE).json()
        found = [Change(item["Seq"], item["ChangeType"], item["ID"]) for item in told["Changes"]]
        return found, int(told["Last"]), bool(told["Done"])

    def instances(self, study: str) -> Iterator[Instance]:
        """The instances of a study.

        Raises:
            NotFound: the study is no longer there.
            Unavailable: the archive does not answer.
        """
        for series in self._get(f"/studies/{study}/series").json():
            tags = series["MainDicomTags"]
            modality, description = tags.get("Modality", ""), tags.get("SeriesDescription", "")
            for instance in self._get(f"/series/{series['ID']}/instances").json():
                uid = instance["MainDicomTags"]["SOPInstanceUID"]
                yield Instance(instance["ID"], uid, modality, description)

    def file(self, instance: str) -> bytes:
        """An instance as a DICOM file.

        Raises:
            NotFound: it is no longer there.
            Unavailable: the archive does not answer.
        """
        return self._get(f"/instances/{instance}/file").content

    def store(self, file: bytes) -> None:
        """Put a DICOM file into the archive; one that is there already stays as it is.

        Raises:
            Unavailable: the archive does not take it.
        """
        headers = {"Content-Type": "application/dicom"}
        self._ask("POST", "/instances", content=file, headers=headers)

    def _get(self, path: str, **params: int) -> httpx.Response:
        return self._ask("GET", path, params=params)

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The archive does not answer: {type(error).__name__}.", remedy=_REMEDY
            ) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotFound("The archive no longer holds what was asked for.")
        if answer.is_error:
            raise Unavailable(
                f"The archive answered {answer.status_code} to {method} {path.split('/')[1]}.",
                remedy=_REMEDY,
            )
        return answer
