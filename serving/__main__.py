"""`python -m serving`: run one server process."""

import argparse
import ipaddress
import logging
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from ml.contract.errors import InvalidParams, Unavailable, VigieError
from ml.contract.records import Role
from serving.app import create_app
from serving.bundle_cache import BundleCache
from serving.connection import ImpatientProtocol
from serving.lifeline import stop_when_stdin_ends
from serving.memory import keep_no_large_blocks
from serving.registry_source import RegistrySource
from serving.server import Server
from serving.settings import Settings, load_settings
from serving.sources import FolderSource, Source

_logger = logging.getLogger("serving")
_REFUSED = 2


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    options = _parse(arguments)
    keep_no_large_blocks()
    if options.until_stdin_ends:
        stop_when_stdin_ends()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    given = {"host": options.host, "port": options.port, "alias": options.alias}
    try:
        settings = load_settings().model_copy(
            update={name: value for name, value in given.items() if value is not None}
        )
        app = create_app(settings, *_sources(settings, options.bundle))
        _check_exposure(settings.host, is_open=app.state.server.gate.is_open)
        tls = _tls(settings)
        if options.bundle is not None:
            # A folder that cannot be served will not get better by waiting.
            app.state.server.watcher.look()
        listener = _listen(settings.host, settings.port)
    except VigieError as error:
        _logger.error("cannot start: %s", error)  # noqa: TRY400
        return _REFUSED
    config = uvicorn.Config(
        app,
        http=ImpatientProtocol.waiting(settings.head_seconds),
        log_config=None,
        access_log=False,
        server_header=False,
        **tls,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    server = Server(config, options.port_file)
    server.run(sockets=[listener])
    return 0 if server.started else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    parser.add_argument("--bundle", type=Path, help="serve this folder instead of the registry")
    parser.add_argument("--host", help="address to listen on (VIGIE_HOST)")
    parser.add_argument("--port", type=int, help="port; 0 picks a free one (VIGIE_PORT)")
    parser.add_argument("--alias", help="registry alias to follow (VIGIE_ALIAS)")
    parser.add_argument("--port-file", type=Path, help="write the port here once it is open")
    parser.add_argument(
        "--until-stdin-ends",
        action="store_true",
        help="stop when standard input ends, as it does with the process that holds the pipe",
    )
    return parser.parse_args(arguments)


def _sources(settings: Settings, bundle: Path | None) -> tuple[Source, dict[Role, Source]]:
    """Where the model comes from, and what may stand beside it."""
    if bundle is not None:
        return FolderSource(bundle), {}
    follow = partial(
        RegistrySource, settings.registry, settings.model_name, cache=BundleCache(settings.folder)
    )
    # Canary and shadow are compared with production; beside another alias they mean nothing.
    roles: tuple[Role, ...] = ("canary", "shadow") if settings.alias == "production" else ()
    return follow(settings.alias), {role: follow(role, role=role) for role in roles}


def _check_exposure(host: str, *, is_open: bool) -> None:
    """Patients' images are answered to strangers on no network."""
    if is_open and not _is_loopback(host):
        raise InvalidParams(
            f"{host} can be reached from other machines, and there are no keys.",
            remedy="Make one with `vigie keys add`, set VIGIE_OIDC_ISSUER, or listen on 127.0.0.1.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(settings: Settings) -> dict[str, Any]:
    """What uvicorn wants to serve HTTPS; nothing for HTTP."""
    files = {"ssl_certfile": settings.tls_certificate, "ssl_keyfile": settings.tls_key}
    given = {name: str(path) for name, path in files.items() if path is not None}
    missing = [path.name for path in files.values() if path is not None and not path.is_file()]
    if len(given) == 1 or missing:
        raise InvalidParams(
            "HTTPS cannot be served: "
            + (f"{', '.join(missing)} is missing." if missing else "one of two files is set."),
            remedy="Set VIGIE_TLS_CERTIFICATE and VIGIE_TLS_KEY to PEM files, or neither.",
        )
    return given


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"Port {port} of {host} cannot be opened: {error.strerror}.",
            remedy="Stop what listens there, or choose another with --port or VIGIE_PORT.",
        ) from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
