"""Run an image's build steps on this machine, where there is no container engine.

    uv run python deploy/docker/build_here.py serving DIR

`DIR` becomes the image's root: what is copied comes from the build context alone, what is run is
run there. The base image, its users and uv are this machine's: what only they show is not seen.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dockerfile_parse import DockerfileParser

PROJECT = Path(__file__).resolve().parents[2]
# Packages are linked from uv's cache rather than copied and compiled: the same files, sooner.
_SOONER = {"UV_LINK_MODE": "hardlink", "UV_COMPILE_BYTECODE": "0"}


def build(name: str, root: Path) -> None:
    """Take the stages of `<name>.Dockerfile` into `root`.

    Raises:
        subprocess.CalledProcessError: a step fails.
        FileNotFoundError: a file is copied that is not in the build context, or that no step made.
    """
    environment: dict[str, str] = {}
    folder = root
    steps = list(_steps(PROJECT / "deploy" / "docker" / f"{name}.Dockerfile"))
    last = max(index for index, (instruction, _) in enumerate(steps) if instruction == "FROM")
    for index, (instruction, value) in enumerate(steps):
        if instruction == "WORKDIR":
            folder = root / value.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
        elif instruction in ("ENV", "ARG"):
            environment |= dict(re.findall(r'(\w+)="?([^\s"\\]*)"?', value))
        elif instruction == "COPY":
            _copy(value, root, folder)
        elif instruction == "RUN" and index < last:
            # The last stage makes a user, which is this machine's own business.
            _run(re.sub(r"--mount=\S+\s+", "", value), folder, environment)


def _steps(path: Path) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        for step in DockerfileParser(fileobj=file).structure:
            if step["instruction"] != "COMMENT":
                yield step["instruction"], step["value"]


def _copy(value: str, root: Path, folder: Path) -> None:
    words = value.split()
    sources, target = words[:-1], words[-1]
    if sources[0].startswith("--from="):
        # Stages share one root here; uv is this machine's.
        if sources[0] == "--from=build" and not (root / sources[1].lstrip("/")).exists():
            raise FileNotFoundError(f"{sources[1]} was not made by an earlier stage")
        return
    allowed = (PROJECT / ".dockerignore").read_text().split()
    for source in sources:
        if f"!{source}" not in allowed:
            raise FileNotFoundError(f"{source} is not in the build context")
        into = (root / target.lstrip("/")) if target.startswith("/") else folder / target
        place = into / source if target.endswith("/") else into
        if (PROJECT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PROJECT / source, place, ignore=ignored, dirs_exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / source, place)


def _run(command: str, folder: Path, environment: dict[str, str]) -> None:
    own = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    # As the Makefile does: the machine's uv, or the project's own.
    path = {"PATH": os.pathsep.join([own["PATH"], str(PROJECT / ".uv" / "bin")])}
    subprocess.run(
        ["sh", "-ec", command], cwd=folder, env=own | environment | _SOONER | path, check=True
    )


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]).resolve())
