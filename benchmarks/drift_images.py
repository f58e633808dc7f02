"""Images for the drift benchmark: what a frozen backbone sees of them, as they are and changed.

Pixels become features and statistics once; windows are drawn from those.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from ml.contract.bundle import InputSpec
from ml.contract.decoding import Pixels, decode
from ml.contract.preprocessing import to_grid, to_input
from ml.contract.quality import measure
from ml.data.appearance import appearance
from ml.data.leakage import find_look_alikes
from ml.data.phantoms import LABELS, NEW_SCANNER, SCANNERS, render_phantom
from ml.data.phantoms.anatomy import draw_anatomy
from ml.params import DataParams

PHANTOM_SIDE, REAL_SIDE = 96, 160
_PATIENTS, _MIX = 560, (0.5, 0.3, 0.2)
_SITES = ("north", "south", "harbour")
_AT_HOME = 0.7
_BATCH = 64
BLURS = (0.5, 1.0, 2.0)
GAINS = (1.1, 1.2, 1.35, 1.5)
DECIBELS = (2.0, 4.0, 6.0, 9.0)

Change = Callable[[Pixels], Pixels]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the backbone makes of images, and their statistics; rows are images."""

    features: np.ndarray
    statistics: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Images:
    """`facts` has image_id, label, group, site, scanner; `seen` and each change the same rows."""

    facts: pd.DataFrame
    seen: Seen
    changed: dict[str, Seen]


def phantoms(weights: Path, cache: Path) -> Images:
    """Patients with two to five images each, of three sites with a scanner of their own."""
    facts = pd.DataFrame(
        [
            {"image_id": _id(f"phantom {number}-{view}"), "label": label, "group": number}
            | {"site": site, "scanner": scanner, "view": view}
            for number, label, site, scanner, views in _patients()
            for view in range(views)
        ]
    )

    def rendered(change: str | None) -> Iterator[Pixels]:
        decibel = float(change.split()[1]) if change and change.startswith("gain") else 0.0
        for number, label, _, scanner, views in _patients():
            look = NEW_SCANNER if change == "new scanner" else _scanner(scanner)
            look = look.with_gain(decibel)
            rng = np.random.default_rng([7, number])
            anatomy = draw_anatomy(rng)
            for _ in range(views):
                yield render_phantom(label, rng, look, anatomy=anatomy)

    changes = ["new scanner", *(f"gain {decibel}" for decibel in DECIBELS)]
    see = _Seer(weights, cache / "phantoms", PHANTOM_SIDE)
    seen = see("as they are", lambda: rendered(None))
    changed = {name: see(name, lambda name=name: rendered(name)) for name in changes}
    for name, change in {**_blurs(), "inverted": np.invert}.items():
        changed[name] = see(name, lambda change=change: map(change, rendered(None)))
    return Images(facts, seen, changed)


def real_images(folder: Path, weights: Path, cache: Path, params: DataParams) -> Images:
    """Images of folders named by label; near-duplicates are a group, since patients are unknown."""
    files = sorted(folder.glob("*/*.png"))
    pixels = [decode(path.read_bytes()).pixels for path in files]
    looks = [appearance(picture) for picture in pixels]
    groups = find_look_alikes(
        pd.DataFrame(
            {
                "image_id": [str(path) for path in files],
                "phash": np.array([look.phash for look in looks], np.uint64),
                "descriptor": [look.descriptor for look in looks],
            }
        ),
        params,
    ).groups
    facts = pd.DataFrame(
        {
            "image_id": [_id(path.name) for path in files],
            "label": [path.parent.name for path in files],
            "group": groups,
            "site": None,
            "scanner": None,
        }
    )
    see = _Seer(weights, cache / folder.name, REAL_SIDE)
    gains = {f"gain {gain}": _brighter(gain) for gain in GAINS}
    return Images(
        facts,
        see("as they are", lambda: iter(pixels)),
        {
            name: see(name, lambda change=change: map(change, pixels))
            for name, change in {**gains, **_blurs(), "inverted": np.invert}.items()
        },
    )


class _Seer:
    """Features and statistics of images, kept in `folder`."""

    def __init__(self, weights: Path, folder: Path, side: int) -> None:
        self._weights, self._folder, self._side = weights, folder, side
        self._backbone = None

    def __call__(self, name: str, images: Callable[[], Iterator[Pixels]]) -> Seen:
        path = self._folder / f"{name.replace(' ', '-')}.npz"
        if not path.is_file():
            print(f"looking at images: {self._folder.name}, {name}", flush=True)
            features, rows = self._look(images())
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, features=features, rows=json.dumps(rows))
        with np.load(path) as kept:
            return Seen(kept["features"], pd.DataFrame(json.loads(str(kept["rows"]))))

    def _look(self, images: Iterator[Pixels]) -> tuple[np.ndarray, list[dict]]:
        import keras

        if self._backbone is None:
            self._backbone = keras.applications.MobileNetV2(
                include_top=False,
                pooling="avg",
                input_shape=(self._side, self._side, 3),
                weights=str(self._weights) if self._weights.is_file() else "imagenet",
            )
        spec = InputSpec(height=self._side, width=self._side, channels=3)
        features, rows, batch = [], [], []
        for pixels in images:
            rows.append(measure(pixels).model_dump())
            batch.append(to_input(to_grid(pixels, spec)))
            if len(batch) == _BATCH:
                features.append(self._backbone.predict(np.stack(batch), verbose=0))
                batch = []
        if batch:
            features.append(self._backbone.predict(np.stack(batch), verbose=0))
        return np.concatenate(features), rows


def _patients() -> Iterator[tuple[int, str, str, str, int]]:
    """Number, label, site, scanner, images."""
    rng = np.random.default_rng(20)
    for number in range(_PATIENTS):
        site = int(rng.integers(len(_SITES)))
        home = rng.random() < _AT_HOME
        scanner = SCANNERS[site if home else int(rng.integers(len(SCANNERS)))]
        label = LABELS[int(rng.choice(len(LABELS), p=_MIX))]
        yield number, label, _SITES[site], scanner.name, int(rng.integers(2, 6))


def _scanner(name: str):
    return next(scanner for scanner in SCANNERS if scanner.name == name)


def _blurs() -> dict[str, Change]:
    return {f"blur {sigma}": _blurred(sigma) for sigma in BLURS}


def _blurred(sigma: float) -> Change:
    def change(pixels: Pixels) -> Pixels:
        sides = (sigma, sigma, 0)[: pixels.ndim]
        return ndimage.gaussian_filter(pixels, sides)

    return change


def _brighter(gain: float) -> Change:
    def change(pixels: Pixels) -> Pixels:
        return np.clip(np.rint(pixels * gain), 0, 255).astype(np.uint8)

    return change


def _id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
