"""What a caller of the DICOM network may cost: bytes and time. pynetdicom sets no limits itself."""

import io
import logging
import time
from dataclasses import dataclass

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.pdu_primitives import P_DATA

logger = logging.getLogger(__name__)

_COMMAND_BYTES = 2**14
_COMMAND = 1
_INVALID_PDU = "Evt19"
"""The event that ends an association in pynetdicom's state machine (PS3.8, table 9-6)."""

_CHUNK = 2**16


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one association, and of how many there are at a time.

    `pdu_bytes` is what peers are told, and the most that is read of one; `object_bytes` is the
    largest object that is kept in memory. A PDU has to arrive within `pdu_seconds`, an object
    within `object_seconds`, and between two of them `idle_seconds` may pass.
    """

    object_bytes: int
    pdu_bytes: int = 2**17
    pdu_seconds: float = 30.0
    object_seconds: float = 600.0
    idle_seconds: float = 60.0
    associations: int = 8


class ObjectBytes(io.BytesIO):
    """Keeps what is written up to a limit; beyond it everything is let go, and noted."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self.overflowed = False

    def write(self, data: bytes) -> int:  # type: ignore[override]  # the one type that comes
        if not self.overflowed and self.tell() + len(data) > self._limit:
            self.overflowed = True
            self.seek(0)
            self.truncate()
        return len(data) if self.overflowed else super().write(data)


def bind_bounds(association: Association, bounds: Bounds) -> None:
    """Make a new association keep to the limits; to be called before it starts.

    An object that is too large is read to its end, so that it can be refused and the next one
    taken. Whoever breaks the protocol, or is too slow for it, is cut off.
    """
    if association.dul.socket is not None:
        association.dul.socket.recv = _BoundedRecv(association, bounds)  # type: ignore[method-assign]
    association.dimse = _BoundedMessages(association, bounds)


class _BoundedRecv:
    """Reads so many bytes: not more than a PDU has, and not for longer than it may take."""

    def __init__(self, association: Association, bounds: Bounds) -> None:
        self._association = association
        self._bounds = bounds

    def __call__(self, nr_bytes: int) -> bytearray:
        wrapper = self._association.dul.socket
        socket = wrapper.socket if wrapper else None
        # Negotiation may take more than a PDU of data.
        if socket is None or nr_bytes > 2 * self._bounds.pdu_bytes:
            raise ConnectionError("a PDU of this length is not read")
        deadline = time.monotonic() + self._bounds.pdu_seconds
        received = bytearray()
        while len(received) < nr_bytes:
            socket.settimeout(max(deadline - time.monotonic(), 0.001))
            chunk = socket.recv(min(nr_bytes - len(received), _CHUNK))
            if not chunk:
                break
            received += chunk
        # Answers, too, have to be taken in time.
        socket.settimeout(self._bounds.pdu_seconds)
        return received


class _BoundedMessages(DIMSEServiceProvider):
    """Puts messages together; ends the association instead of keeping what nobody asked for."""

    def __init__(self, association: Association, bounds: Bounds) -> None:
        super().__init__(association)
        self._bounds = bounds
        self._command_bytes = 0
        self._deadline = 0.0

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take one part of a message."""
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.data_set = ObjectBytes(self._bounds.object_bytes)
            self._command_bytes = 0
            self._deadline = time.monotonic() + self._bounds.object_seconds
        try:
            self._check(primitive)
            super().receive_primitive(primitive)
        except Exception as error:  # whatever a malformed message brings about
            logger.debug("A message is malformed: %s.", type(error).__name__)
            self.message = None
            self.dul.event_queue.put(_INVALID_PDU)

    def _check(self, primitive: P_DATA) -> None:
        for _, data in primitive.presentation_data_value_list:
            if not data:
                raise ValueError("an empty part")
            if data[0] & _COMMAND:
                self._command_bytes += len(data)
        if self._command_bytes > _COMMAND_BYTES:
            raise ValueError("an endless command")
        if self.msg_queue.qsize() > 1:
            # One message at a time is agreed upon: none comes before the last is answered.
            raise ValueError("messages that wait for no answer")
        if time.monotonic() > self._deadline:
            raise TimeoutError("an object that does not end")
