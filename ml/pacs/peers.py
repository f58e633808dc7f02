"""Who may send to us: application entities by title, and where they may call from."""

import ipaddress
import socket
from dataclasses import dataclass

from ml.contract.errors import InvalidParams

_LONGEST_TITLE = 16
_EXAMPLE = (
    "Write titles with commas between them, each with an address if you like: CT1, US2@10.0.0.7."
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Peer:
    """One application entity; `network` is where it calls from, None for anywhere."""

    title: str
    network: Network | None


@dataclass(frozen=True, slots=True)
class Peers:
    """The application entities that are listened to; none listed means all."""

    listed: tuple[Peer, ...]

    @classmethod
    def parse(cls, text: str) -> "Peers":
        """Read `TITLE` or `TITLE@address` or `TITLE@network/bits`, separated by commas.

        Raises:
            InvalidParams: a title or an address is none.
        """
        return cls(tuple(_peer(part.strip()) for part in text.split(",") if part.strip()))

    @property
    def titles(self) -> list[str]:
        """All titles, each once."""
        return sorted({peer.title for peer in self.listed})

    def admit(self, title: str, address: str) -> bool:
        """Whether an entity of this title may send from this IP address."""
        if not self.listed:
            return True
        caller = ipaddress.ip_address(address)
        if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped:
            caller = caller.ipv4_mapped
        return any(
            peer.title == title and (peer.network is None or caller in peer.network)
            for peer in self.listed
        )


def checked_title(title: str) -> str:
    """An application entity's title as the standard allows it (PS3.5, VR AE).

    Raises:
        InvalidParams: it is empty, too long, or has a backslash or a control character.
    """
    title = title.strip()
    if not 0 < len(title) <= _LONGEST_TITLE or not title.isascii() or not title.isprintable():
        raise InvalidParams(
            f"{title!r} is no application entity title.",
            remedy=f"Take 1 to {_LONGEST_TITLE} letters, digits, spaces or signs.",
        )
    if "\\" in title:
        raise InvalidParams(
            f"{title!r} is no application entity title.", remedy="Leave the backslash out."
        )
    return title


def check_exposure(host: str, peers: Peers) -> None:
    """Refuse to listen to everybody where more than this machine can reach the port.

    Raises:
        InvalidParams: `host` is beyond loopback and no peer is listed, or it is no address.
    """
    try:
        found = {
            info[4][0] for info in socket.getaddrinfo(host or None, 0, flags=socket.AI_PASSIVE)
        }
    except OSError as error:
        raise InvalidParams(
            f"{host!r} is no address of this machine.", remedy="Correct VIGIE_DICOM_HOST."
        ) from error
    if not peers.listed and not all(ipaddress.ip_address(address).is_loopback for address in found):
        raise InvalidParams(
            f"Anybody in the network could send images to {host or 'every address'}.",
            remedy="List who may in VIGIE_DICOM_PEERS, or listen on 127.0.0.1.",
        )


def _peer(text: str) -> Peer:
    title, at, address = text.partition("@")
    if not at:
        return Peer(checked_title(title), None)
    try:
        return Peer(checked_title(title), ipaddress.ip_network(address.strip(), strict=False))
    except ValueError as error:
        raise InvalidParams(f"{address!r} is no IP address or network.", remedy=_EXAMPLE) from error
