"""The leak audit: how long 100,000 images take, how that grows, and which planted twins it finds.

uv run python benchmarks/leakage.py [--data DIR] [--json FILE]

Real images (phantoms where DIR is missing) are described as ingest does it; descriptors with their
covariance are drawn beyond them, and hashes follow from the descriptors. Every tenth has a twin.

`audit_100k_s`: seconds of `audit` over 100,000 rows. `growth_exponent`: least squares over the
logarithms of the seconds for 10,000, 30,000 and 100,000 rows.
`recall_<kind>`: share of pictures linked with their changed copy, among 20,000 other rows; crops
take 2 % or 4 % from every side. `recall_hash_<kind>`: the perceptual hash alone. `false_pairs`:
unplanted pairs that are linked among the 20,000; there should be none.
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from figures import print_goals, write_figures
from PIL import Image, ImageEnhance

from ml.contract.decoding import Pixels, decode
from ml.data.appearance import DESCRIPTOR_BYTES, Descriptors, appearance
from ml.data.leakage import audit, find_look_alikes
from ml.data.phantoms import SCANNERS, render_phantom
from ml.params import DataParams, load_params

ROOT = Path(__file__).parents[1]
SIZES = (10_000, 30_000, 100_000)
BACKGROUND, PICTURES = 20_000, 600
LABELS = ("normal", "benign", "malignant")
GOALS = {
    "audit_100k_s": "< 60",
    "growth_exponent": "< 1.3",
    "recall_resize": ">= 0.98",
    "recall_recompress": ">= 0.98",
    "recall_brightness": ">= 0.98",
}


def main() -> None:
    """Describe, plant, audit, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=shared / "busi")
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    params = load_params(ROOT / "params.toml").data
    pictures = read_pictures(arguments.data)
    real = np.frombuffer(b"".join(appearance(picture).descriptor for picture in pictures), np.int8)
    real = real.reshape(-1, DESCRIPTOR_BYTES)
    figures = growth(real, params) | recall(pictures, real, params)
    print_goals(figures, GOALS)
    write_figures(arguments.json, figures, GOALS, pictures=len(pictures))


def read_pictures(folder: Path) -> list[Pixels]:
    """Images below the folder, or phantoms."""
    files = sorted(folder.rglob("*.png"))[:PICTURES]
    if files:
        return [decode(path.read_bytes()).pixels for path in files]
    return [
        render_phantom(
            LABELS[seed % 3], np.random.default_rng(seed), SCANNERS[seed % len(SCANNERS)]
        )
        for seed in range(PICTURES)
    ]


def growth(real: Descriptors, params: DataParams) -> dict[str, object]:
    """Seconds of the audit over the number of rows."""
    print("images     s wall   s CPU   pairs by hash   twins")
    seconds = []
    for size in SIZES:
        frame = rows(drawn(real, size, seed=size))
        started, worked = time.perf_counter(), time.process_time()
        report = audit(frame, params)
        seconds.append(time.perf_counter() - started)
        print(
            f"{size:7,} {seconds[-1]:9.1f} {time.process_time() - worked:7.1f} "
            f"{report.near_duplicate_pairs:15,} {report.twin_pairs:7,}",
            flush=True,
        )
    exponent = np.polyfit(np.log(SIZES), np.log(seconds), 1)[0]
    return {
        "audit_100k_s": round(seconds[-1], 1),
        "growth_exponent": round(float(exponent), 2),
        "audit_10k_s": round(seconds[0], 2),
    }


def recall(pictures: list[Pixels], real: Descriptors, params: DataParams) -> dict[str, object]:
    """Share of changed copies that are linked with their pictures, for every kind of change."""
    strangers = drawn(real, BACKGROUND, seed=1, twins=False)
    alone = find_look_alikes(rows(strangers), params)
    figures: dict[str, object] = {
        "false_pairs": len(alone.hash_pairs) + len(alone.twin_pairs),
    }
    originals = [appearance(picture) for picture in pictures]
    count = len(pictures)
    print("change              audit    hash alone")
    for kind, change in CHANGES.items():
        looks = [*originals, *(appearance(change(picture)) for picture in pictures)]
        described = np.frombuffer(b"".join(look.descriptor for look in looks), np.int8)
        frame = rows(np.concatenate([described.reshape(-1, DESCRIPTOR_BYTES), strangers]))
        hashes = np.array([look.phash for look in looks], np.uint64)
        frame.loc[: 2 * count - 1, "phash"] = hashes
        groups = find_look_alikes(frame, params).groups
        found = float((groups[:count] == groups[count : 2 * count]).mean())
        distance = np.bitwise_count(hashes[:count] ^ hashes[count:])
        by_hash = float((distance <= params.near_duplicate_distance).mean())
        figures |= {f"recall_{kind}": round(found, 3), f"recall_hash_{kind}": round(by_hash, 3)}
        print(f"{kind:16} {found:8.3f} {by_hash:13.3f}", flush=True)
    return figures


def drawn(real: Descriptors, count: int, *, seed: int, twins: bool = True) -> Descriptors:
    """Descriptors with the mean and the covariance of the real ones; a tenth have a close twin."""
    rng = np.random.default_rng(seed)
    values = real / np.linalg.norm(real.astype(float), axis=1, keepdims=True)
    values = rng.multivariate_normal(values.mean(axis=0), np.cov(values.T), count)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    if twins:
        planted = count // 10
        values[-planted:] = values[:planted] + rng.normal(0, 0.02, (planted, DESCRIPTOR_BYTES))
    return np.rint(values / np.abs(values).max(axis=1, keepdims=True) * 127).astype(np.int8)


def rows(descriptors: Descriptors) -> pd.DataFrame:
    """A frame that can be audited; the hash is what a picture of such a shape would have."""
    count, side = len(descriptors), round((DESCRIPTOR_BYTES + 1) ** 0.5)
    weights = np.hypot(*np.indices((side, side))).ravel()[1:]
    spectrum = np.zeros((count, side * side))
    spectrum[:, 1:] = descriptors / weights
    hashed = spectrum.reshape(count, side, side)[:, 1:, 1:].reshape(count, -1)
    bits = np.packbits(hashed > np.median(hashed, axis=1, keepdims=True), axis=1)
    names = [f"{number:064x}" for number in range(count)]
    return pd.DataFrame(
        {
            "image_id": names,
            "label": np.array(LABELS)[np.arange(count) % 3],
            "patient": None,
            "study": None,
            "phash": bits.view(">u8").ravel().astype(np.uint64),
            "descriptor": [row.tobytes() for row in descriptors],
            "group": names,
            "split": "train",
        }
    )


def _resized(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((width * 7 // 10, height // 2)))


def _recompressed(pixels: Pixels) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file))


def _brighter(pixels: Pixels) -> Pixels:
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(1.2))


def _cropped(share: float) -> Callable[[Pixels], Pixels]:
    def change(pixels: Pixels) -> Pixels:
        top, left = (round(share * side) for side in pixels.shape[:2])
        return pixels[top : pixels.shape[0] - top, left : pixels.shape[1] - left]

    return change


def _flipped(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "resize": _resized,
    "recompress": _recompressed,
    "brightness": _brighter,
    "crop": _cropped(0.02),
    "crop_4_percent": _cropped(0.04),
    "flip": _flipped,
}

if __name__ == "__main__":
    main()
