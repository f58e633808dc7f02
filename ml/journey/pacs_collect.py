"""Images of the hospital's archive land in the landing zone, de-identified, without a label."""

import logging
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from ml.contract.errors import InputError, NotFound
from ml.journey.pacs import STUDIES_AT_ONCE, archive_and_feed, go_through
from ml.journey.workspace import Workspace
from ml.pacs.address import ArchiveAddress
from ml.params import Params
from ml.params.data import UNLABELLED

if TYPE_CHECKING:
    from ml.pacs.archive import Archive
    from ml.pacs.inbox import Inbox
    from ml.pacs.results import CollectRound

log = logging.getLogger(__name__)


def collect(
    workspace: Workspace,
    params: Params,
    address: ArchiveAddress,
    *,
    at_most: int = STUDIES_AT_ONCE,
) -> "CollectRound":
    """Land the images of every study that became complete since the last round.

    What has landed before is not fetched again, so an interrupted round is repeated without
    doubles. A first look at a large archive takes several rounds.

    Raises:
        InvalidParams: there is no archive's address, or more than one.
        Unavailable: the archive does not answer: see `ml.journey.pacs.go_through`.
    """
    from ml.pacs.results import CollectRound

    inbox, counts = inbox_of(workspace, params), Counter[str]()
    with archive_and_feed(workspace, params, address, "collect") as (archive, feed):
        look_at = partial(_land_study, archive, inbox, counts)
        troubled = go_through(feed, look_at, at_most=at_most)
    return CollectRound(
        studies=counts["studies"],
        landed=counts["landed"],
        known=counts["known"],
        refused=counts["refused"],
        failed=troubled.failed,
        given_up=troubled.given_up,
    )


def inbox_of(workspace: Workspace, params: Params) -> "Inbox":
    """Where objects of the network land, keyed and de-identified with the installation's key."""
    from ml.data.deidentify import Deidentifier
    from ml.data.dicom_profile import deidentify
    from ml.pacs.inbox import FOLDER, Inbox

    by = Deidentifier(workspace.pseudonym_key())
    return Inbox(
        workspace.landing / UNLABELLED / FOLDER,
        deidentify=partial(deidentify, by=by),
        name=by.uid,
        max_bytes=params.data.max_bytes,
    )


def _land_study(
    archive: "Archive", inbox: "Inbox", counts: Counter[str], study: str, do_without: bool
) -> None:
    """Land what is not there yet.

    Raises:
        NotFound: the study is no longer there.
        NotGiven: an object is not given; all others have landed.
    """
    from ml.pacs.archive import NotGiven

    images = [instance for instance in archive.instances(study) if instance.is_image]
    missing: NotGiven | None = None
    before = counts["landed"]
    for number, image in enumerate(images, start=1):
        if inbox.holds(image.study_instance_uid, image.sop_instance_uid):
            counts["known"] += 1
            continue
        try:
            counts["landed"] += inbox.put(archive.file(image))
        except NotFound:
            continue  # deleted in the meantime
        except (InputError, NotGiven) as error:
            if isinstance(error, NotGiven) and not do_without:
                missing = error
                continue
            log.warning("Image %d of %d does not land: %s", number, len(images), error.message)
            counts["refused"] += 1
    if missing:
        raise missing
    counts["studies"] += bool(images)
    if images:
        log.info("A study of %d images: %d landed.", len(images), counts["landed"] - before)
