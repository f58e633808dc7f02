"""Images that the DICOM network sends land in the landing zone, de-identified, without a label."""

import logging
import threading
import warnings
from pathlib import Path

from ml.contract.errors import Unavailable
from ml.journey.pacs_collect import inbox_of
from ml.journey.workspace import Workspace
from ml.params import Params

log = logging.getLogger(__name__)


def receive(
    workspace: Workspace,
    params: Params,
    *,
    title: str,
    host: str,
    port: int,
    peers: str,
    tls: tuple[Path | None, Path | None, Path | None] = (None, None, None),
    stop: threading.Event,
) -> None:
    """Take what is sent by C-STORE until `stop` is set; then associations may end by themselves.

    Args:
        title: our application entity title.
        host: the address to listen on; beyond loopback only with peers.
        port: 0 takes a free one.
        peers: who may send: see `ml.pacs.peers.Peers.parse`.
        tls: certificate, key and callers' authority: see `ml.pacs.tls.server_context`.

    Raises:
        InvalidParams: a title, a peer, the address or a file for TLS is wrong, or everybody could
            send.
        Unavailable: the port is taken.
    """
    from ml.pacs.bounds import Bounds
    from ml.pacs.peers import Peers, check_exposure, checked_title
    from ml.pacs.receiver import Receiver
    from ml.pacs.tls import server_context

    # Between threads no narrower filter holds, and a warning may quote what was sent.
    warnings.simplefilter("ignore")
    callers = Peers.parse(peers)
    check_exposure(host, callers)
    context = server_context(*tls)
    try:
        receiver = Receiver(
            inbox_of(workspace, params),
            title=checked_title(title),
            address=(host, port),
            peers=callers,
            bounds=Bounds(object_bytes=params.data.max_bytes),
            tls=context,
        )
    except OSError as error:
        raise Unavailable(
            f"Port {port} of {host} cannot be listened to: {error.strerror}.",
            remedy="Free it, or choose another with VIGIE_DICOM_PORT.",
        ) from error
    with receiver:
        secured = "with TLS" if context else "without TLS"
        log.info("%s listens on port %d of %s, %s.", title, receiver.port, host, secured)
        stop.wait()
        log.info("%s takes no more calls.", title)
