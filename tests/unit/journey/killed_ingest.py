"""An ingest that is killed again and again, and one that is left alone: both must end alike.

python -m tests.unit.journey.killed_ingest [--images 2000] [--kills 20]
"""

import argparse
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from ml.data.phantoms import CohortSpec, Faults, write_cohort
from ml.data.sealed import Seal
from ml.settings import PROJECT_ROOT

_LOOK_SECONDS = 0.002
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]+Z")
_SHARDS = ("--set", "data.shard_images=25")
_ANY_TIME = 0.2
"""Share of kills at any time; the others come once files change."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One process: until its first change of a file, and until its end or its kill, in seconds."""

    first_change: float
    seconds: float
    killed: bool


class Installation:
    """A home of its own, worked on by `vigie` processes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = home / "store"

    def run(self, *verb: str, kill_after: float | None = None, from_change: bool = True) -> Attempt:
        """Run a verb to its end, or kill it some seconds after it first changed a file."""
        environment = {**os.environ, "VIGIE_HOME": str(self.home)}
        before, began = self._changes(), time.monotonic()
        first_change = None if from_change else 0.0
        with subprocess.Popen(
            [sys.executable, "-m", "ml.cli", *verb],
            cwd=PROJECT_ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            while process.poll() is None:
                now = time.monotonic() - began
                if first_change is None and self._changes() != before:
                    first_change = now
                if (
                    kill_after is not None
                    and first_change is not None
                    and now >= first_change + kill_after
                ):
                    process.kill()
                    process.wait()
                    return Attempt(first_change, now, killed=True)
                time.sleep(_LOOK_SECONDS)
            seconds = time.monotonic() - began
            said = process.stderr.read().decode() if process.stderr else ""
        assert process.returncode == 0, said
        return Attempt(seconds if first_change is None else first_change, seconds, killed=False)

    def _changes(self) -> list[int]:
        folders = [self.store / name for name in ("images", "manifest", "quarantine", "batches")]
        folders += [path for path in (self.store / "batches").glob("*") if path.is_dir()]
        return [folder.stat().st_mtime_ns if folder.is_dir() else 0 for folder in folders]

    def contents(self) -> dict[str, str]:
        """Every file of the store with a digest of what must not depend on luck.

        Times differ from run to run, and a seal never comes out twice alike.
        """
        seal = Seal((self.home / "secrets" / "pseudonym.key").read_bytes())
        return {
            path.relative_to(self.store).as_posix(): _digest(path, seal)
            for path in sorted(self.store.rglob("*"))
            if path.is_file()
        }

    def leftovers(self) -> list[Path]:
        """Half-written files."""
        return [path for path in self.home.rglob("*") if path.name.endswith(".part")]


def _digest(path: Path, seal: Seal) -> str:
    content = path.read_bytes()
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        rows = table.drop_columns(["ingested_at"]).to_pylist()
        content = repr((rows, table.schema.metadata)).encode()
    elif path.suffix == ".json":
        content = _TIME.sub(b"", content).replace(str(path.parents[3]).encode(), b"")
    elif path.suffix != ".tif":
        content = seal.open(content)
    return hashlib.sha256(content).hexdigest()


def kill_and_repeat(
    killed: Installation, source: Path, undisturbed: dict[str, Attempt], *, kills: int, seed: int
) -> dict[str, int]:
    """Take the files in with so many kills of each verb; returns how many hit a running process."""
    luck = random.Random(seed)
    hits = {}
    for verb, arguments in (("ingest", [str(source), *_SHARDS]), ("validate", [])):
        whole = undisturbed[verb]
        hits[verb] = 0
        done = False
        for _ in range(kills):
            any_time = luck.random() < _ANY_TIME
            span = whole.seconds if any_time else whole.seconds - whole.first_change
            # So short that the work is not done before the last kill.
            wait = luck.uniform(0, span / kills)
            attempt = killed.run(verb, *arguments, kill_after=wait, from_change=not any_time)
            hits[verb] += attempt.killed
            done = not attempt.killed
            if done:
                break
        if not done:
            killed.run(verb, *arguments)
    return hits


def prepare(folder: Path, images: int) -> tuple[Path, Installation, dict[str, Attempt]]:
    """Draw the files and take them in once, undisturbed."""
    source = folder / "cohort"
    mix = {"normal": 0.4, "benign": 0.3, "malignant": 0.3}
    write_cohort(CohortSpec(images=images, class_mix=mix, faults=Faults.of_each(2)), source)
    whole = Installation(folder / "whole")
    attempts = {
        "ingest": whole.run("ingest", str(source), *_SHARDS),
        "validate": whole.run("validate"),
    }
    return source, whole, attempts


def same_key(of: Installation, to: Path) -> Installation:
    """Another installation with the same pseudonym key."""
    shutil.copytree(of.home / "secrets", to / "secrets")
    return Installation(to)


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Kill, compare, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20, help="of each verb")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, whole, attempts = prepare(Path(folder), arguments.images)
        expected = whole.contents()
        _tell(f"undisturbed: {len(expected)} files; {attempts}")
        for round_ in range(arguments.rounds):
            killed = same_key(whole, Path(folder) / f"killed-{round_}")
            hits = kill_and_repeat(killed, source, attempts, kills=arguments.kills, seed=round_)
            found = killed.contents()
            differing = sorted(
                name
                for name in expected.keys() | found.keys()
                if expected.get(name) != found.get(name)
            )
            _tell(
                f"round {round_}: killed {hits}; {len(found)} files, {len(differing)} differ, "
                f"{len(killed.leftovers())} half-written"
            )
            if differing or killed.leftovers():
                sys.exit(f"differ: {differing[:10]}; {killed.leftovers()[:10]}")


if __name__ == "__main__":
    main()
