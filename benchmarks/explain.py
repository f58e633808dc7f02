"""What a heat map costs beside a plain prediction: the server's CPU time, with and without.

uv run python benchmarks/explain.py [--bundle DIR] [--data DIR] [--json FILE]

Both sides are asked of one real server in turn. Without `--bundle` the newest one under
`var/runs` is taken; without `--data` phantoms of 1024 × 1024 pixels are drawn.
"""

import argparse
import io
import json
import platform
import tempfile
from pathlib import Path
from statistics import median

import httpx
import psutil
from PIL import Image

from ml.contract.bundle import BUNDLE_FILE
from ml.data.phantoms import LABELS, phantom_bytes
from ml.packaging.server_process import serving

ROOT = Path(__file__).resolve().parents[1]
SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".tif", ".tiff")
MOST_IMAGES = 20
ROUNDS = 15
SIDE = 1024
GOAL = 1.10


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="a sealed bundle")
    parser.add_argument("--data", type=Path, help="a folder of images")
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    files = images(arguments.data)
    bundle = arguments.bundle or newest_bundle()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(bundle, work_folder=Path(folder), patience=120) as server,
    ):
        rounds = measure(server.url, server.process, files)
    print(f"{'round':>5} {'plain ms':>9} {'explained ms':>13} {'ratio':>6}")
    ratios = [explained / plain for plain, explained in rounds]
    for number, ((plain, explained), ratio) in enumerate(zip(rounds, ratios, strict=True)):
        print(f"{number:>5} {plain:>9.1f} {explained:>13.1f} {ratio:>6.3f}")
    ratio = round(median(ratios), 3)
    print(f"explained / plain, median over rounds: {ratio} (goal: under {GOAL})")
    if arguments.json:
        content = {
            "figures": {"explain_vs_plain": ratio},
            "goals": {"explain_vs_plain": f"< {GOAL}"},
            "environment": {"python": platform.python_version(), "system": platform.platform()},
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")


def newest_bundle() -> Path:
    """The bundle sealed last."""
    sealed = sorted(
        (ROOT / "var" / "runs").glob(f"*/bundle/{BUNDLE_FILE}"),
        key=lambda path: path.stat().st_mtime,
    )
    if not sealed:
        raise SystemExit("There is no bundle under var/runs: `make demo` first, or name one.")
    return sealed[-1].parent


def images(folder: Path | None) -> list[bytes]:
    """Image files out of the folder, or phantoms as JPEG."""
    if folder:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        return [file.read_bytes() for file in files[:MOST_IMAGES]]
    return [
        jpeg(phantom_bytes(LABELS[seed % len(LABELS)], seed=seed)) for seed in range(MOST_IMAGES)
    ]


def jpeg(phantom: bytes) -> bytes:
    """The phantom at the size that scanners export."""
    file = io.BytesIO()
    Image.open(io.BytesIO(phantom)).convert("L").resize((SIDE, SIDE)).save(file, "JPEG")
    return file.getvalue()


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
