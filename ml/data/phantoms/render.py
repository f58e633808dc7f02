"""Echo levels → pixels: attenuation, speckle, log compression and the scanner's grey curve."""

import numpy as np
from scipy import ndimage

from ml.contract.decoding import MediaType, Pixels
from ml.data.phantoms.anatomy import Anatomy, Field, draw_anatomy, draw_tissue
from ml.data.phantoms.files import encode
from ml.data.phantoms.lesions import add_benign, add_malignant
from ml.data.phantoms.scanners import SCANNERS, Scanner

LABELS = ("normal", "benign", "malignant")
_LESIONS = {"benign": add_benign, "malignant": add_malignant}
_USUAL_LEVEL, _LEVEL_SPREAD = -22.0, 6.0


def render_phantom(
    label: str,
    rng: np.random.Generator,
    scanner: Scanner,
    *,
    anatomy: Anatomy | None = None,
) -> Pixels:
    """Render one image.

    Args:
        label: `normal`, `benign` or `malignant`; any other renders as normal.
        rng: the only source of randomness.
        scanner: sets size and look.
        anatomy: the patient's; a new one is drawn if None.

    Returns:
        uint8 grey, (height, width) within the scanner's ranges.
    """
    anatomy = anatomy or draw_anatomy(rng)
    height = int(rng.integers(scanner.height[0], scanner.height[1] + 1))
    width = int(rng.integers(scanner.width[0], scanner.width[1] + 1))
    echoes = draw_tissue(anatomy, rng, height, width)
    if label in _LESIONS:
        _LESIONS[label](echoes, rng)
    depth = np.linspace(0, 1, height, dtype=np.float32)[:, np.newaxis]
    echoes += rng.uniform(-12, 6) * depth  # attenuation that the depth gain did not undo
    echoes += _speckle(rng, height, width, scanner.grain)
    # The operator turns the gain until the picture looks right, lesion or not.
    level = _USUAL_LEVEL + rng.uniform(-_LEVEL_SPREAD, _LEVEL_SPREAD)
    return _display(echoes + (level - echoes.mean()), scanner)


def phantom_bytes(
    label: str,
    *,
    seed: int,
    scanner: Scanner = SCANNERS[0],
    media_type: MediaType = "image/png",
) -> bytes:
    """One image file of a patient who is in no cohort."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0x5E1D, 0xA51DE]))
    return encode(render_phantom(label, rng, scanner), media_type)


def _speckle(
    rng: np.random.Generator, height: int, width: int, grain: tuple[float, float]
) -> Field:
    """Fully developed speckle in dB: the log of a Rayleigh-distributed, correlated envelope.

    Source: Burckhardt, Speckle in ultrasound B-mode scans, IEEE Trans. Sonics Ultrason. 1978.
    """
    noise = rng.standard_normal((2, height, width), dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, (0, *grain), mode="wrap", truncate=2.5)
    power = np.square(noise[0]) + np.square(noise[1])
    return 10 * np.log10(power / power.mean() + np.float32(1e-3))


def _display(echoes: Field, scanner: Scanner) -> Pixels:
    shown = (echoes + scanner.gain) / scanner.dynamic_range + 1
    np.clip(shown, 0, 1, out=shown)
    return np.round(255 * shown**scanner.gamma).astype(np.uint8)
