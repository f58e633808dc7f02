"""The C-STORE receiver: images that the DICOM network sends, into the inbox (PS3.4, annex B)."""

import logging
import ssl
import threading
import time
from types import TracebackType
from typing import Self

from pydicom import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from ml.contract.errors import (
    EncapsulatedDocument,
    ImageTooLarge,
    InputError,
    NoPixelData,
    Unavailable,
)
from ml.pacs.accepted import image_classes, transfer_syntaxes
from ml.pacs.bounds import Bounds, ObjectBytes, bind_bounds
from ml.pacs.connections import ConnectionServer
from ml.pacs.inbox import Inbox, OwnObject
from ml.pacs.peers import Peers
from ml.pacs.tally import Ending, Tally

logger = logging.getLogger(__name__)

# It logs commands with the identifiers in them. What became of each association is told below.
_config.LOG_HANDLER_LEVEL = "none"
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

_SUCCESS = 0x0000
_PROCESSING_FAILURE = 0x0110
_OUT_OF_RESOURCES = 0xA700
_NOT_OF_ITS_CLASS = 0xA900
_CANNOT_UNDERSTAND = 0xC000
_NO_IMAGES = (NoPixelData, EncapsulatedDocument, OwnObject)
_LONGEST_COMMENT = 64

_REJECTED_FOR_GOOD, _BY_USER, _UNKNOWN_CALLER = 0x01, 0x01, 0x03
_WAITING_CONNECTIONS = 8
_LOOK_UP_SECONDS = 0.1
_ABORT_SECONDS = 5.0


class Receiver:
    """Serves while it is entered; on leaving, associations may finish for some seconds."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        title: str,
        address: tuple[str, int],
        peers: Peers,
        bounds: Bounds,
        tls: ssl.SSLContext | None = None,
        grace: float = 5.0,
    ) -> None:
        """Take the port; nothing is answered yet.

        Args:
            title: our application entity title; calls for another are rejected.
            address: host and port; port 0 takes a free one.
            peers: who may send.
            tls: encrypts associations; without it they are plain.
            grace: seconds that associations may go on after the end.

        Raises:
            OSError: the address cannot be listened to.
        """
        self._inbox = inbox
        self._title = title
        self._peers = peers
        self._bounds = bounds
        self._grace = grace
        self._tallies: dict[Association, Tally] = {}
        entity = _application_entity(title, peers, bounds)
        self._server = ConnectionServer(
            entity,
            address,
            title,
            entity.supported_contexts,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, self._open),
                (evt.EVT_CONN_CLOSE, self._close),
                (evt.EVT_REQUESTED, self._check_caller),
                (evt.EVT_C_ECHO, self._echo),
                (evt.EVT_C_STORE, self._store),
            ],
            tls=tls,
            most_connections=bounds.associations + _WAITING_CONNECTIONS,
            on_pause=self._tell_ended,
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_UP_SECONDS,), name="dicom receiver"
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop()
        self._thread.join()
        self._wait(self._grace)
        for association in self._server.active_associations:
            association.abort(block=False)
        self._wait(_ABORT_SECONDS)
        self._tell_ended()

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._server.active_associations and time.monotonic() < deadline:
            time.sleep(0.02)

    def _open(self, event: evt.Event) -> None:
        bind_bounds(event.assoc, self._bounds)
        self._tallies[event.assoc] = Tally(event.assoc.requestor.address)

    def _close(self, event: evt.Event) -> None:
        """Whoever only looked whether the port is open keeps no thread waiting for its request."""
        if self._tallies[event.assoc].caller is None:
            event.assoc.dul.to_user_queue.put(None)  # as a timeout gives

    def _check_caller(self, event: evt.Event) -> None:
        """Titles are checked by pynetdicom; this is for those that may call from one place only."""
        tally, request = self._tallies[event.assoc], event.assoc.requestor.primitive
        title = request.calling_ae_title if request else ""
        if self._peers.listed and title not in self._peers.titles:
            tally.caller, tally.rejected = "An unknown caller", "its title is not in the list"
            return
        tally.caller = title
        if request and request.called_ae_title != self._title:
            tally.rejected = f"it calls another title than {self._title}"
        elif not self._peers.admit(title, tally.address):
            tally.rejected = "its title belongs to another address"
            event.assoc.acse.send_reject(_REJECTED_FOR_GOOD, _BY_USER, _UNKNOWN_CALLER)
            event.assoc.kill()

    def _echo(self, event: evt.Event) -> int:
        self._tallies[event.assoc].echoes += 1
        return _SUCCESS

    def _store(self, event: evt.Event) -> Dataset:
        """Success means that the file is on the disk."""
        tally = self._tallies[event.assoc]
        try:
            file = _received_file(event, self._bounds)
            tally.bytes += len(file)
            is_new = self._inbox.put(file)
        except InputError as error:
            tally.refused[error.code] += 1
            code = _NOT_OF_ITS_CLASS if isinstance(error, _NO_IMAGES) else _CANNOT_UNDERSTAND
            return _status(code, error.message)
        except (OSError, Unavailable) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            logger.error("An object cannot be stored: %s.", reason)  # noqa: TRY400
            tally.refused["not-stored"] += 1
            return _status(_OUT_OF_RESOURCES, "It cannot be stored now. Send it again later.")
        except Exception as error:  # a defect; a trace could quote the header
            logger.error("An object met a defect: %s.", type(error).__name__)  # noqa: TRY400
            tally.refused["defect"] += 1
            return _status(_PROCESSING_FAILURE, "It met a defect of the receiver.")
        if is_new:
            tally.landed += 1
        else:
            tally.known += 1
        return _status(_SUCCESS)

    def _tell_ended(self) -> None:
        """One line for each association that ended, without anything of its objects."""
        for association, tally in list(self._tallies.items()):
            if association.ident is not None and not association.is_alive():
                del self._tallies[association]
                tally.tell(_ending(association))


def _application_entity(title: str, peers: Peers, bounds: Bounds) -> AE:
    entity = AE(title)
    syntaxes = transfer_syntaxes()
    for sop_class in image_classes():
        entity.add_supported_context(sop_class, syntaxes)
    entity.add_supported_context(Verification)
    entity.require_called_aet = True
    entity.require_calling_aet = peers.titles
    entity.maximum_associations = bounds.associations
    entity.maximum_pdu_size = bounds.pdu_bytes
    entity.network_timeout = bounds.idle_seconds
    entity.acse_timeout = entity.dimse_timeout = bounds.pdu_seconds
    return entity


def _received_file(event: evt.Event, bounds: Bounds) -> bytes:
    """The object as a file.

    Raises:
        ImageTooLarge: it had more bytes than are kept.
    """
    content = getattr(event.request, "DataSet", None)
    if isinstance(content, ObjectBytes) and content.overflowed:
        raise ImageTooLarge(
            f"The object has more than {bounds.object_bytes:,} bytes.",
            remedy="Raise data.max_bytes, or send it compressed.",
        )
    return event.encoded_dataset()


def _status(code: int, comment: str = "") -> Dataset:
    status = Dataset()
    status.Status = code
    if comment:
        status.ErrorComment = comment[:_LONGEST_COMMENT]
    return status


def _ending(association: Association) -> Ending:
    if association.is_rejected:
        return "rejected"
    if association.is_released:
        return "released"
    return "aborted" if association.is_aborted else "lost"
