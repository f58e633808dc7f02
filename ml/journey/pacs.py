"""Studies in the hospital's archive are answered, and the report goes back to them."""

import io
import json
import logging
from typing import TYPE_CHECKING

from ml.contract.errors import InputError, InvalidParams, NotFound
from ml.journey.run import write_json
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    import httpx
    import pydicom

    from ml.pacs.orthanc import Instance, Orthanc
    from ml.pacs.results import PacsRound

log = logging.getLogger(__name__)

_COMPLETE = "StableStudy"
# Objects about images rather than images.
_WITHOUT_PIXELS = frozenset({"SR", "KO", "PR", "DOC", "AU", "SEG", "RTSTRUCT", "RTPLAN", "RTDOSE"})


def look_at_archive(
    workspace: Workspace,
    params: Params,
    *,
    pacs_url: str | None,
    credentials: tuple[str, str] | None,
    server_url: str,
) -> "PacsRound":
    """One round of `answer_studies` with an archive and a server of these addresses.

    Raises:
        InvalidParams: there is no archive's address.
        Unavailable: archive or server do not answer.
    """
    import httpx

    from ml.pacs.orthanc import Orthanc

    if pacs_url is None:
        raise InvalidParams("There is no picture archive.", remedy="Set VIGIE_PACS_URL.")
    with (
        Orthanc(pacs_url, credentials) as archive,
        httpx.Client(base_url=server_url, trust_env=False) as server,
    ):
        return answer_studies(workspace, params, archive, server)


def answer_studies(
    workspace: Workspace, params: Params, archive: "Orthanc", server: "httpx.Client"
) -> "PacsRound":
    """Answer every study that became complete since the last round.

    The report of a study is stored last and has a UID that follows from the study's images, so a
    round that was interrupted is repeated without doubles, and a study that only gained our own
    objects is left alone. Nothing of a study is kept here but the place to go on from.

    Args:
        server: a client of the serving API.

    Raises:
        Unavailable: archive or server do not answer; the next round goes on with that study.
    """
    from ml.pacs.results import PacsRound

    since, counts = read_cursor(workspace), {"studies": 0, "known": 0, "images": 0, "refused": 0}
    done = False
    while not done:
        changes, last, done = archive.changes(since)
        for change in changes:
            if change.kind == _COMPLETE:
                _answer_study(workspace, params, archive, server, change.resource, counts)
                _keep_cursor(workspace, change.number)
        since = last
        _keep_cursor(workspace, since)
    return PacsRound(since=since, **counts)


def read_cursor(workspace: Workspace) -> int:
    """The archive's change up to which everything was looked at; 0 before the first round."""
    path = workspace.pacs_cursor
    return int(json.loads(path.read_text())["since"]) if path.is_file() else 0


def _keep_cursor(workspace: Workspace, since: int) -> None:
    write_json(workspace.pacs_cursor, {"since": since})


def _answer_study(
    workspace: Workspace,
    params: Params,
    archive: "Orthanc",
    server: "httpx.Client",
    study: str,
    counts: dict[str, int],
) -> None:
    from ml.data.deidentify import pseudonym
    from ml.pacs.names import SERIES_DESCRIPTION
    from ml.pacs.report import report_uid

    try:
        instances = list(archive.instances(study))
    except NotFound:
        return  # deleted in the meantime
    images = [
        instance
        for instance in instances
        if instance.modality not in _WITHOUT_PIXELS
        and instance.series_description != SERIES_DESCRIPTION
    ]
    if not images:
        return
    name = pseudonym(study, workspace.pseudonym_key())
    wanted = report_uid([image.sop_instance_uid for image in images])
    if wanted in {instance.sop_instance_uid for instance in instances}:
        counts["known"] += 1
        return
    found, refused = _report_on(params, archive, server, images, name, wanted)
    counts["images"] += found
    counts["refused"] += refused
    counts["studies"] += bool(found)
    log.info("Study %s: %d images answered, %d refused.", name[:8], found, refused)


def _report_on(
    params: Params,
    archive: "Orthanc",
    server: "httpx.Client",
    images: "list[Instance]",
    name: str,
    report: str,
) -> tuple[int, int]:
    """Store captures and report of a study; returns how many images were answered and refused."""
    from ml.contract.decoding import decode
    from ml.pacs.capture import build_capture
    from ml.pacs.report import build_report
    from ml.pacs.server import ask_server
    from ml.pacs.source import read_source

    findings, headers, refused = [], {}, 0
    for number, image in enumerate(images, start=1):
        try:
            file = archive.file(image.name)
            pixels = decode(file, params.data.limits).pixels
            header = read_source(file)
            finding = ask_server(
                server,
                pixels,
                sop_instance_uid=image.sop_instance_uid,
                study=name,
                scanner=header.get("ManufacturerModelName"),
            )
        except InputError as error:
            log.warning("Study %s, image %d is not answered: %s", name[:8], number, error.message)
            refused += 1
            continue
        headers[image.sop_instance_uid] = header
        findings.append(finding)
        archive.store(_file(build_capture(header, pixels, finding, number=number)))
    if findings:
        archive.store(_file(build_report(headers, findings, uid=report)))
    return len(findings), refused


def _file(dataset: "pydicom.Dataset") -> bytes:
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()
