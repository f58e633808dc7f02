"""Ingest: what storing and measuring cost beside bare decoding; two workers; memory.

uv run python benchmarks/ingest.py [--data DIR] [--images N] [--many N] [--json FILE]

The files are phantoms of 600 to 768 by 700 to 1024 pixels, a third each as PNG, JPEG and
uncompressed DICOM of 8, 12 and 16 bits; or the images in DIR/<label>/*. Bare is reading, decoding
and hashing them; ingest is `ingest_shard` on the same files: de-identifying headers, measuring,
storing, writing rows. They take turns, shard by shard, in one process. DICOM files are accepted
whatever may be burned into them.

`ingest_vs_bare`: CPU time of bare over that of ingest. `with_text_check`: the same with the look
for lines of text that params.toml asks for in a share of the images. `two_workers`: wall time of
two shards in one process over that of a shard in each of two; processes are started before.
`rss_growth`: peak memory of a process that plans, ingests and merges N small images (20,000) over
that with 1,000.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from figures import print_goals, write_figures

from ml.contract.decoding import decode, image_id
from ml.data.phantoms.files import SUFFIXES, StudyHeader, bits_for, encode
from ml.data.phantoms.render import LABELS, render_phantom
from ml.data.phantoms.scanners import Scanner
from ml.data.plan import read_plan, read_shard
from ml.data.results import BatchPlan
from ml.data.sealed import Seal
from ml.data.storage import found
from ml.journey import ingest
from ml.journey.workspace import Workspace
from ml.params import Params, load_params

ROOT = Path(__file__).parents[1]
GOALS = {"ingest_vs_bare": ">= 0.7", "two_workers": ">= 1.7", "rss_growth": "<= 1.1"}
SHARD_IMAGES = 200
FEW = 1000
ROUNDS = 5
SCANNERS = (
    Scanner("Large A", "Phantom", (600, 768), (800, 1024), 0.0, 1.0, 55.0, (2.0, 3.2)),
    Scanner("Large B", "Phantom", (600, 768), (800, 1024), 2.0, 1.15, 60.0, (2.4, 3.6)),
    Scanner("Large C", "Phantom", (600, 768), (700, 960), -2.0, 0.9, 50.0, (2.8, 4.0)),
)
KINDS = {"png": "image/png", "jpeg": "image/jpeg", "dicom": "application/dicom"}


def main() -> None:
    """Draw the files, if none are given, measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="DIR/<label>/* instead of phantoms")
    parser.add_argument("--images", type=int, default=2400)
    parser.add_argument("--many", type=int, default=20_000)
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        part, home, *rest = arguments.part
        PARTS[part](Path(home), *rest)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        source = arguments.data or draw(work / "phantoms", arguments.images)
        kinds = {"all": source} if arguments.data else {kind: source / kind for kind in KINDS}
        figures = beside_bare(work, kinds)
        mixed = source if arguments.data else mix(source, work / "mixed")
        figures |= two_workers(work / "workers", mixed)
        figures |= memory(work, arguments.many)
    print_goals(figures, GOALS)
    write_figures(arguments.json, figures, GOALS, images=arguments.images, many=arguments.many)


def draw(folder: Path, images: int) -> Path:
    """Write phantoms, as many of each kind of file."""
    for number in range(images):
        kind, media_type = list(KINDS.items())[number % len(KINDS)]
        rng = np.random.default_rng([11, number])
        label, scanner = LABELS[number % len(LABELS)], SCANNERS[number % len(SCANNERS)]
        header = StudyHeader(f"P{number // 3}", number=number, bits_stored=bits_for(number // 3))
        content = encode(render_phantom(label, rng, scanner), media_type, header)
        path = folder / kind / f"{number:06d}{SUFFIXES[media_type]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def mix(source: Path, folder: Path) -> Path:
    """The same files under names in whose order kinds alternate, so that shards cost the same."""
    folder.mkdir()
    for path in source.glob("*/*"):
        (folder / path.name).hardlink_to(path)
    return folder


def beside_bare(work: Path, kinds: dict[str, Path]) -> dict[str, Any]:
    """CPU milliseconds an image, in a process for each kind of file."""
    totals, cpu_ms = np.zeros(4), {}
    for kind, source in kinds.items():
        images, *spent = in_process("beside", work / f"beside-{kind}", source)
        totals += images, *spent
        cpu_ms[kind] = [round(1000 * seconds / images, 2) for seconds in spent]
        print("{}: bare {} ms, ingest {} ms, with text check {} ms".format(kind, *cpu_ms[kind]))
    images, bare, whole, checked = totals
    return {
        "ingest_vs_bare": round(bare / whole, 3),
        "with_text_check": round(bare / checked, 3),
        "images_per_s": round(images / whole, 1),
        "bare_images_per_s": round(images / bare, 1),
        "cpu_ms": cpu_ms,
    }


def beside(home: Path, source: str) -> None:
    """All over the same files, a shard at a time, the first shard not counted."""
    size = f"data.shard_images={SHARD_IMAGES}"
    plain = planned(home / "plain", source, size, "data.text_check_share=0")
    checked = planned(home / "checked", source, size)
    workspace, params, batch = plain
    seal = Seal(workspace.pseudonym_key())
    images, spent = 0, [0.0, 0.0, 0.0]
    for index in range(batch.shards):
        shard = read_shard(workspace.batch(batch.batch_id), index, seal)
        files = [Path(shard.source) / image.path for image in shard.files]
        turns = [
            partial(bare, files, params),
            partial(one_shard, *plain, index),
            partial(one_shard, *checked, index),
        ]
        for number in np.roll([0, 1, 2], index):
            began = time.process_time()
            turns[number]()
            spent[number] += (time.process_time() - began) * bool(index)
        images += len(files) * bool(index)
    print(json.dumps([images, *spent]))


def planned(home: Path, source: str, *overrides: str) -> tuple[Workspace, Params, BatchPlan]:
    """An installation with a planned batch."""
    workspace, params = installation(home, *overrides)
    return workspace, params, ingest.plan(workspace, params, Path(source))


def bare(files: list[Path], params: Params) -> None:
    """Read, decode, hash."""
    for path in files:
        image_id(decode(path.read_bytes(), params.data.limits).pixels)


def one_shard(workspace: Workspace, params: Params, batch: BatchPlan, index: int) -> None:
    """Ingest, and see that nothing was refused: it would cost next to nothing."""
    result = ingest.ingest_shard(workspace, params, batch.batch_id, index)
    if result.rejected:
        sys.exit(f"{result.rejected} files were rejected")


def two_workers(home: Path, source: Path) -> dict[str, Any]:
    """One process with two shards and two with one each, in turns."""
    workspace, params = installation(home)
    taken: dict[int, list[float]] = {1: [], 2: []}
    for round_ in range(ROUNDS):
        batch = ingest.plan(workspace, params, source)
        for workers in (1, 2) if round_ % 2 else (2, 1):
            shares = [["0", "1"]] if workers == 1 else [["0"], ["1"]]
            taken[workers].append(wall_seconds(home, batch.batch_id, shares))
            remove(workspace, batch)
    print("two shards: " + ", ".join(f"{n} worker(s) {min(s):.1f} s" for n, s in taken.items()))
    pairs = zip(taken[1], taken[2], strict=True)
    return {
        "two_workers": round(statistics.median(one / two for one, two in pairs), 2),
        "workers_s": {str(workers): round(min(seconds), 2) for workers, seconds in taken.items()},
    }


def wall_seconds(home: Path, batch_id: str, shares: list[list[str]]) -> float:
    """From the word to the last worker's end."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, __file__, "--part", "work", str(home), batch_id, *share],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for share in shares
        ]
        for worker in workers:
            worker.stdout.readline()  # type: ignore[union-attr]
        began = time.perf_counter()
        for worker in workers:
            worker.stdin.write("go\n")  # type: ignore[union-attr]
            worker.stdin.flush()  # type: ignore[union-attr]
        for worker in workers:
            worker.stdout.readline()  # type: ignore[union-attr]
        return time.perf_counter() - began


def work(home: Path, batch_id: str, *shards: str) -> None:
    """Ingest shards when told to."""
    workspace, params = installation(home)
    decode(encode(np.zeros((64, 64), np.uint8), "image/png"))  # what is imported late is there now
    print("ready", flush=True)
    sys.stdin.readline()
    batch = read_plan(workspace.batch(batch_id))
    for shard in shards:
        one_shard(workspace, params, batch, int(shard))
    print("done", flush=True)


def remove(workspace: Workspace, batch: BatchPlan) -> None:
    """Forget what was ingested."""
    shutil.rmtree(str(workspace.images))
    for shard in found(workspace.batch(batch.batch_id), "shard-*.parquet"):
        shard.unlink()


def memory(work: Path, many: int) -> dict[str, Any]:
    """Peak memory with few and with many images."""
    peaks = {}
    for count in dict.fromkeys((FEW, many)):
        source = work / f"small-{count}"
        write_small(source, count)
        peaks[count] = in_process("small", work / f"home-{count}", source)
        print(f"{count:,} small images: {peaks[count]:.0f} MB")
    return {
        "rss_growth": round(peaks[many] / peaks[FEW], 3),
        "rss_mb": {str(count): round(peak) for count, peak in peaks.items()},
    }


def write_small(folder: Path, count: int) -> None:
    """Images of noise and a list of them with all columns."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    with (folder / "images.csv").open("w") as file:
        file.write("path,label,patient_id,site,scanner,age,sex\n")
        for number in range(count):
            name = f"{number % 100:02d}/{number:06d}.png"
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            pixels = rng.integers(0, 256, (64, 64), dtype=np.uint8)
            path.write_bytes(encode(pixels, "image/png"))
            file.write(f"{name},{LABELS[number % 3]},P{number // 3},north,Large A,50,F\n")


def small(home: Path, source: str) -> None:
    """Plan, all shards, merge."""
    workspace, params = installation(home)
    batch = ingest.plan(workspace, params, Path(source))
    for index in range(batch.shards):
        one_shard(workspace, params, batch, index)
    ingest.merge(workspace, batch.batch_id)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


def installation(home: Path, *overrides: str) -> tuple[Workspace, Params]:
    """A home of its own."""
    workspace = Workspace.at(home, expectations=ROOT / "expectations")
    chosen = ("data.burned_in=accept", "data.shards=2", *overrides)
    return workspace, load_params(ROOT / "params.toml", overrides=chosen)


def in_process(part: str, home: Path, source: Path) -> Any:
    """Run a part in a fresh process and read its last line."""
    done = subprocess.run(
        [sys.executable, __file__, "--part", part, str(home), str(source.resolve())],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{part} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


PARTS: dict[str, Callable[..., None]] = {"beside": beside, "work": work, "small": small}

if __name__ == "__main__":
    main()
