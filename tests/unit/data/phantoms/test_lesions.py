import numpy as np
import pytest

from ml.data.phantoms.anatomy import Field
from ml.data.phantoms.lesions import add_benign, add_malignant

LEVEL = -13.0
SEEDS = range(8)


def _tissue() -> Field:
    return np.full((180, 200), LEVEL, np.float32)


def _extent(dark: np.ndarray) -> tuple[int, int]:
    """Height and width of the box around the dark pixels."""
    rows, columns = np.nonzero(dark)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_benign_lesion_is_wider_than_tall_and_bright_behind(seed: int) -> None:
    tissue = _tissue()
    add_benign(tissue, np.random.default_rng(seed))
    dark = tissue < LEVEL - 6
    height, width = _extent(dark)
    assert width > 1.15 * height
    assert 0.2 < width / 200 < 0.5
    bottom, centre = int(np.nonzero(dark)[0].max()), int(np.median(np.nonzero(dark)[1]))
    assert tissue[bottom + 10 :, centre].max() > LEVEL + 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_malignant_lesion_casts_a_shadow_down_to_the_edge(seed: int) -> None:
    tissue = _tissue()
    add_malignant(tissue, np.random.default_rng(seed))
    dark = tissue < LEVEL - 6
    height, width = _extent(dark)
    assert height > width
    assert dark[-1].any()
    assert dark[170:].mean() > dark[:10].mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_lesions_of_both_kinds_are_equally_dark(seed: int) -> None:
    levels = []
    for add in (add_benign, add_malignant):
        tissue = _tissue()
        add(tissue, np.random.default_rng(seed))
        levels.append(float(np.median(tissue[tissue < LEVEL - 6])))
    assert all(-45 < level < LEVEL - 8 for level in levels)
