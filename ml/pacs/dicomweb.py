"""DICOMweb: QIDO-RS to find, WADO-RS to fetch, STOW-RS to store (PS3.18, chapter 10)."""

import secrets
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ml.contract.errors import Unavailable
from ml.pacs.archive import Instance, NotGiven
from ml.pacs.http import HttpArchive

_AT_ONCE = 100
_JSON = {"Accept": "application/dicom+json"}
# As it is kept: transcoding would cost the archive and change lossy pixels.
_FILE = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}

_STUDY_UID, _SERIES_UID, _INSTANCE_UID = "0020000D", "0020000E", "00080018"
_MODALITY, _SERIES_DESCRIPTION = "00080060", "0008103E"
_INSTANCES_OF_STUDY = "00201208"
_FAILED, _REASON, _DUPLICATE = "00081198", "00081197", 0x0111


class DicomWeb(HttpArchive):
    """A connection to one DICOMweb archive. Studies go by their study instance UIDs."""

    def studies(self, first: date, last: date) -> Iterator[tuple[str, int | None]]:
        """Studies dated from `first` to `last`, and how many instances each is said to have."""
        dates = f"{first:%Y%m%d}-{last:%Y%m%d}"
        for found in self._search(
            "/studies", StudyDate=dates, includefield=[_STUDY_UID, _INSTANCES_OF_STUDY]
        ):
            count = _value(found, _INSTANCES_OF_STUDY)
            yield str(_value(found, _STUDY_UID)), None if count is None else int(count)

    def instances(self, study: str) -> Iterator[Instance]:
        """See `Archive`."""
        for found in self._search(
            f"/studies/{study}/instances", includefield=[_MODALITY, _SERIES_DESCRIPTION]
        ):
            series, uid = str(_value(found, _SERIES_UID)), str(_value(found, _INSTANCE_UID))
            yield Instance(
                name=f"/studies/{study}/series/{series}/instances/{uid}",
                study_instance_uid=study,
                sop_instance_uid=uid,
                modality=str(_value(found, _MODALITY) or ""),
                series_description=str(_value(found, _SERIES_DESCRIPTION) or ""),
            )

    def file(self, instance: Instance) -> bytes:
        """See `Archive`."""
        with self._object(instance.name, headers=_FILE) as answer:
            kind, options = parse_options_header(answer.headers.get("Content-Type"))
            pieces = self._pieces(answer)
            if kind != b"multipart/related":
                return b"".join(pieces)
            return _first_part(pieces, options.get(b"boundary", b""))

    def store(self, file: bytes) -> None:
        """See `Archive`."""
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        answer = self._ask(
            "POST",
            "/studies",
            content=head + file + f"\r\n--{boundary}--\r\n".encode(),
            headers=_JSON | {"Content-Type": kind},
            answers={httpx.codes.CONFLICT},
        )
        if not _is_stored(answer):
            raise Unavailable(
                f"The archive did not store an object ({answer.status_code}).",
                remedy="See its log, and whether this user may store.",
            )

    def _search(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Page by page, until nothing comes that was not there before."""
        seen: set[str] = set()
        while True:
            page = self._page(path, {**query, "limit": _AT_ONCE, "offset": len(seen)})
            fresh = [item for item in page if _identity(item) not in seen]
            if not fresh:
                return
            yield from fresh
            seen |= {_identity(item) for item in fresh}

    def _page(self, path: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self._ask("GET", path, params=query, headers=_JSON)
        return [] if answer.status_code == httpx.codes.NO_CONTENT else answer.json()


def _identity(found: dict[str, Any]) -> str:
    return str(_value(found, _INSTANCE_UID) or _value(found, _STUDY_UID))


def _value(found: dict[str, Any], tag: str) -> Any:
    """The first value of an element in the DICOM JSON model (PS3.18, annex F), None without one."""
    values = found.get(tag, {}).get("Value") or [None]
    return values[0]


def _first_part(pieces: Iterator[bytes], boundary: bytes) -> bytes:
    """The one file of a multipart answer.

    Raises:
        NotGiven: there is none, or the answer is cut short or no multipart message.
    """
    parts: list[bytearray] = []
    ended: list[bool] = []
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": lambda: parts.append(bytearray()),
            "on_part_data": lambda data, start, end: parts[-1].extend(data[start:end]),
            "on_end": lambda: ended.append(True),
        },
    )
    try:
        for piece in pieces:
            parser.write(piece)
    except FormParserError as error:
        raise NotGiven("The archive's answer is no multipart message.") from error
    if not ended:
        raise NotGiven("The archive's answer ended early.")
    if not parts:
        raise NotGiven("The archive's answer holds no file.")
    return bytes(parts[0])


def _is_stored(answer: httpx.Response) -> bool:
    """Whether nothing failed, or only for being there already (PS3.18, 10.5.3)."""
    told = answer.json() if answer.content else {}
    failed = told.get(_FAILED, {}).get("Value", [])
    reasons = [_value(item, _REASON) for item in failed]
    if not reasons:
        return answer.is_success
    return all(reason == _DUPLICATE for reason in reasons)
