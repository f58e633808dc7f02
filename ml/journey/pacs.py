"""The hospital's archive: how it is reached, and how its complete studies are gone through."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml.contract.errors import InvalidParams, NotFound
from ml.journey.workspace import Workspace
from ml.pacs.address import ArchiveAddress
from ml.params import Params

if TYPE_CHECKING:
    from ml.pacs.archive import Archive, Feed

log = logging.getLogger(__name__)

STUDIES_AT_ONCE = 100
"""Most studies of one round: a first look at a large archive proceeds in rounds."""


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
) -> int:
    """Look at each complete study once, and settle it; returns how many have to be tried again.

    Where the archive does not give one of a study's objects, the others go on. The study is tried
    again after a while, for a day; then it has to do without.

    Args:
        look_at: takes the study, and whether to do without what is not given.

    Raises:
        Unavailable: what all studies need does not answer; the next round begins with this study.
    """
    from ml.pacs.archive import NotGiven

    failed = 0
    for study in feed.complete(at_most):
        try:
            look_at(study, feed.is_last_try(study))
        except NotFound:
            pass  # deleted in the meantime
        except NotGiven as error:
            log.warning("A study is tried again later: %s", error.message)
            feed.fail(study)
            failed += 1
            continue
        feed.settle(study)
    return failed
