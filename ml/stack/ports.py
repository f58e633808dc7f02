"""Whether the stack's ports are free, and who holds one that is not."""

import socket

import psutil

from ml.stack.config import HOST, StackConfig
from ml.stack.errors import PortTaken


def require_free_ports(config: StackConfig) -> None:
    """Check all ports before anything starts.

    Raises:
        PortTaken: names the port, the variable that moves it and, if it can be told, the holder.
    """
    used: dict[int, str] = {}
    for part, (variable, port) in config.ports.items():
        if port in used:
            raise PortTaken(
                f"Port {port} is asked for twice: by {used[port]} and by {part}.",
                remedy=f"Set {variable} to another port.",
            )
        used[port] = part
        if not _is_free(port):
            raise PortTaken(
                f"Port {port}, which {part} needs, is taken{_holder(port)}.",
                remedy=f"Stop that process, or set {variable} to another port.",
                details={"port": port, "variable": variable},
            )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections of a stack that just stopped linger in TIME_WAIT; they do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            if connection.pid is None:
                return " by a process of another user"
            try:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.NoSuchProcess:
                return ""
    return ""
