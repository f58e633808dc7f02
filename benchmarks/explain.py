"""What a heat map costs beside a plain prediction: the server's CPU time, with and without.

uv run python benchmarks/explain.py [--bundle DIR] [--data DIR] [--json FILE]

Both sides are asked of one real server in turn. Without `--bundle` it serves the ensemble at 80 px
with random weights, whose inference is so short that a map costs a larger share than elsewhere;
without `--data` it is asked about phantoms of 1024 × 1024 pixels.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

import httpx
import psutil
from figures import write_figures
from serving_bundle import ENSEMBLE, ROOT, ensure_bundle, files_of, phantom_files

from ml.packaging.server_process import serving

IMAGES, SIDE, MODEL_SIDE = 20, 1024, 80
ROUNDS = 15
GOAL = 1.10


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="a sealed bundle")
    parser.add_argument("--data", type=Path, help="a folder of images")
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "benchmarks")
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    files = (
        files_of(arguments.data, IMAGES, SIDE) if arguments.data else phantom_files(IMAGES, SIDE)
    )
    folder = arguments.work / f"ensemble-{MODEL_SIDE}-int8"
    bundle = arguments.bundle or ensure_bundle(folder, ENSEMBLE, MODEL_SIDE, seed=20)
    with (
        tempfile.TemporaryDirectory() as home,
        serving(bundle, work_folder=Path(home), patience=120) as server,
    ):
        rounds = measure(server.url, server.process, files)
    print(f"{'round':>5} {'plain ms':>9} {'explained ms':>13} {'ratio':>6}")
    ratios = [explained / plain for plain, explained in rounds]
    for number, ((plain, explained), ratio) in enumerate(zip(rounds, ratios, strict=True)):
        print(f"{number:>5} {plain:>9.1f} {explained:>13.1f} {ratio:>6.3f}")
    ratio = round(median(ratios), 3)
    print(f"explained / plain, median over rounds: {ratio} (goal: under {GOAL})")
    goals = {"explain_vs_plain": f"< {GOAL}"}
    write_figures(arguments.json, {"explain_vs_plain": ratio}, goals)


def measure(url: str, process: psutil.Process, files: list[bytes]) -> list[tuple[float, float]]:
    """By round: CPU milliseconds of the server for one image, plain and explained."""
    with httpx.Client(base_url=url, timeout=60) as client:

        def spent(explain: bool) -> float:
            started = process.cpu_times()
            for file in files:
                answer = client.post("/predict", params={"explain": explain}, files={"file": file})
                answer.raise_for_status()
            ended = process.cpu_times()
            used = ended.user + ended.system - started.user - started.system
            return 1e3 * used / len(files)

        spent(explain=True)  # warms caches and codecs
        return [(spent(explain=False), spent(explain=True)) for _ in range(ROUNDS)]


if __name__ == "__main__":
    main()
