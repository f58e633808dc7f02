"""Studies in the hospital's archive are answered, and the report goes back to them."""

import io
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from ml.contract.errors import InputError, Unavailable
from ml.journey.pacs import STUDIES_AT_ONCE, archive_and_feed, go_through
from ml.journey.workspace import Workspace
from ml.pacs.address import ArchiveAddress
from ml.params import Params

if TYPE_CHECKING:
    import httpx
    import pydicom

    from ml.pacs.archive import Archive, Instance
    from ml.pacs.results import AnswerRound

log = logging.getLogger(__name__)


def answer(
    workspace: Workspace,
    params: Params,
    address: ArchiveAddress,
    *,
    server_url: str,
    server_headers: Mapping[str, str] = MappingProxyType({}),
    at_most: int = STUDIES_AT_ONCE,
) -> "AnswerRound":
    """Answer every study that became complete since the last round.

    The report of a study is stored last and has a UID that follows from the study's images, so a
    round that was interrupted is repeated without doubles, and a study that only gained our own
    objects is left alone. Nothing of a study is kept here but the place to go on from.

    Args:
        server_headers: sent with every request to the server: its API key, if it asks for one.

    Raises:
        InvalidParams: there is no archive's address, or more than one.
        Unavailable: archive or server do not answer: see `ml.journey.pacs.go_through`.
    """
    import httpx

    from ml.pacs.results import AnswerRound

    counts = Counter[str]()
    with (
        archive_and_feed(workspace, params, address, "answer") as (archive, feed),
        httpx.Client(base_url=server_url, headers=dict(server_headers), trust_env=False) as server,
    ):
        look_at = partial(_answer_study, workspace, params, archive, server, counts)
        troubled = go_through(feed, look_at, at_most=at_most)
    return AnswerRound(
        studies=counts["studies"],
        known=counts["known"],
        unreported=counts["unreported"],
        images=counts["images"],
        refused=counts["refused"],
        failed=troubled.failed,
        given_up=troubled.given_up,
    )


def _answer_study(
    workspace: Workspace,
    params: Params,
    archive: "Archive",
    server: "httpx.Client",
    counts: Counter[str],
    study: str,
    do_without: bool,
) -> None:
    """Answer a study that has no report on just these images.

    Raises:
        NotFound: the study is no longer there.
        NotGiven, NotAnswered: an object is not given, or the server fails at it; nothing was
            reported.
    """
    from ml.data.deidentify import pseudonym
    from ml.pacs.report import report_uid

    instances = list(archive.instances(study))
    images = [instance for instance in instances if instance.is_image]
    if not images:
        return
    wanted = report_uid([image.sop_instance_uid for image in images])
    if wanted in {instance.sop_instance_uid for instance in instances}:
        counts["known"] += 1
        return
    name = pseudonym(images[0].study_instance_uid, workspace.pseudonym_key())
    earlier = [instance for instance in instances if instance.is_report]
    found, refused = _report_on(params, archive, server, images, earlier, name, wanted, do_without)
    counts["images"] += found
    counts["refused"] += refused
    counts["studies"] += bool(found)
    if not found:
        counts["unreported"] += 1
        log.warning(
            "Study %s has no report: none of its images was analysed (%d).", name[:8], refused
        )
    log.info("Study %s: %d images answered, %d refused.", name[:8], found, refused)


def _report_on(
    params: Params,
    archive: "Archive",
    server: "httpx.Client",
    images: "list[Instance]",
    earlier: "list[Instance]",
    name: str,
    report: str,
    do_without: bool,
) -> tuple[int, int]:
    """Store captures and report of a study; returns how many images were answered and refused."""
    from ml.contract.decoding import decode
    from ml.contract.dicom.annotation import text_verdict
    from ml.contract.quiet_dicom import quiet_dicom
    from ml.pacs.archive import NotGiven
    from ml.pacs.capture import build_capture
    from ml.pacs.report import build_report
    from ml.pacs.server import NotAnswered, ask_server
    from ml.pacs.source import read_source

    findings, headers, refused = [], {}, 0
    failure: NotAnswered | None = None
    for number, image in enumerate(images, start=1):
        try:
            file = archive.file(image)
            pixels = decode(file, params.data.limits).pixels
            with quiet_dicom():
                header = read_source(file)
                has_text = text_verdict(header) != "none"
            finding = ask_server(
                server,
                pixels,
                sop_instance_uid=image.sop_instance_uid,
                study=name,
                scanner=header.get("ManufacturerModelName"),
                review=not has_text,
            )
        except (InputError, NotGiven, NotAnswered) as error:
            if isinstance(error, Unavailable) and not do_without:
                raise
            if isinstance(error, NotAnswered):
                failure = error
            log.warning("Study %s, image %d is not answered: %s", name[:8], number, error.message)
            refused += 1
            continue
        headers[image.sop_instance_uid] = header
        findings.append(finding)
        with quiet_dicom():  # a warning may quote the patient's name
            content = _file(build_capture(header, pixels, finding, number=number))
        archive.store(content)
    if failure and not findings:
        raise failure  # a server that answers none of them may be at fault itself
    if findings:
        previous = list(_read_earlier(archive, earlier))
        with quiet_dicom():
            built = build_report(
                headers, findings, uid=report, not_analysed=refused, previous=previous
            )
            content = _file(built)
        archive.store(content)
    return len(findings), refused


def _read_earlier(archive: "Archive", reports: "list[Instance]") -> "Iterator[pydicom.Dataset]":
    """Those that can be had: a report does not wait for the one it replaces."""
    from ml.pacs.archive import NotGiven
    from ml.pacs.source import read_source

    for report in reports:
        try:
            yield read_source(archive.file(report))
        except (InputError, NotGiven) as error:
            log.warning("An earlier report is not referred to: %s", error.message)


def _file(dataset: "pydicom.Dataset") -> bytes:
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()
