"""The hospital's archive: how it is reached, and how its complete studies are gone through."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.contract.errors import InvalidParams, NotFound, Unavailable
from ml.journey.workspace import Workspace
from ml.pacs.address import ArchiveAddress
from ml.params import Params

if TYPE_CHECKING:
    from ml.pacs.archive import Archive, Feed

log = logging.getLogger(__name__)

STUDIES_AT_ONCE = 100
"""Most studies of one round: a first look at a large archive proceeds in rounds."""

_MAY_PASS = (Unavailable, OSError)
"""What a study is never given up for: something else has to be repaired first."""


@dataclass(frozen=True, slots=True)
class Troubled:
    """Studies of a round that could not be dealt with: some come again, some never do."""

    failed: int
    given_up: int


@contextmanager
def archive_and_feed(
    workspace: Workspace, params: Params, address: ArchiveAddress, purpose: str
) -> "Iterator[tuple[Archive, Feed]]":
    """Connect to the archive; each purpose has its own place in its feed.

    Raises:
        InvalidParams: there is no archive's address, or more than one.
    """
    from ml.data.deidentify import Deidentifier
    from ml.pacs.dicomweb import DicomWeb
    from ml.pacs.dicomweb_feed import DicomWebFeed
    from ml.pacs.orthanc import Orthanc
    from ml.pacs.orthanc_feed import OrthancFeed

    if not address.is_set:
        raise InvalidParams(
            "There is no picture archive.", remedy="Set VIGIE_PACS_URL or VIGIE_DICOMWEB_URL."
        )
    limit = params.data.max_bytes
    if address.orthanc and address.dicomweb:
        raise InvalidParams(
            "Two addresses of an archive are set.",
            remedy="Set VIGIE_PACS_URL for an Orthanc, VIGIE_DICOMWEB_URL for any other.",
        )
    by = Deidentifier(workspace.pseudonym_key())
    if address.orthanc:
        place = workspace.pacs_place(f"orthanc-{purpose}")
        with Orthanc(address.orthanc, address.credentials, max_bytes=limit) as orthanc:
            yield orthanc, OrthancFeed(orthanc, place, name=by.uid)
    elif address.dicomweb:
        place = workspace.pacs_place(f"dicomweb-{purpose}")
        with DicomWeb(address.dicomweb, address.credentials, max_bytes=limit) as web:
            yield web, DicomWebFeed(web, place, name=by.uid, days=address.days)


def go_through(
    feed: "Feed", look_at: Callable[[str, bool], None], *, at_most: int = STUDIES_AT_ONCE
) -> Troubled:
    """Look at each complete study once, and settle it.

    A study that cannot be dealt with, for whatever reason, does not hold up those behind it: it is
    told, counted, and tried again after a while. After a day of failures of its own it has to do
    without the objects that are not given, and is given up if even that fails for its own sake.

    Args:
        look_at: takes the study, and whether to do without what is not given.

    Raises:
        Unavailable: what all studies need does not answer: two in a row failed for want of it, or
            the last one did and none was settled. The next round goes on behind them, and they
            come again after their pause.
    """
    from ml.pacs.archive import NotGiven
    from ml.pacs.server import NotAnswered

    failed = given_up = settled = 0
    was_unanswered = False
    away: Unavailable | None = None
    for study in feed.complete(at_most):
        is_last = feed.is_last_try(study)
        try:
            look_at(study, is_last)
        except NotFound:
            pass  # deleted in the meantime
        except Exception as error:  # no study is worth all those behind it
            if is_last and not isinstance(error, _MAY_PASS):
                # A trace may quote what identifies a patient.
                log.error("A study is given up: %s", _reason(error))  # noqa: TRY400
                given_up += 1
            else:
                log.warning("A study is tried again later: %s", _reason(error))
                is_its_own = isinstance(error, NotGiven | NotAnswered)
                feed.fail(study, ages=is_its_own or not isinstance(error, _MAY_PASS))
                failed += 1
                is_unanswered = isinstance(error, Unavailable) and not isinstance(error, NotGiven)
                if is_unanswered and was_unanswered:
                    raise
                was_unanswered = is_unanswered
                away = error if isinstance(error, Unavailable) and not is_its_own else None
                continue
        feed.settle(study)
        settled += 1
        was_unanswered, away = False, None
    if away and not settled:
        raise away
    return Troubled(failed, given_up)


def _reason(error: Exception) -> str:
    """In words where they are ours; others may quote what identifies a patient."""
    return error.message if isinstance(error, Unavailable) else f"{type(error).__name__}."
