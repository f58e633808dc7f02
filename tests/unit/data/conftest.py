from pathlib import Path

import numpy as np
import pytest

from ml.data.phantoms import CohortSpec, Faults, write_cohort
from ml.data.phantoms.files import encode
from tests.unit.data.home import DataHome


@pytest.fixture
def home(tmp_path: Path) -> DataHome:
    return DataHome(tmp_path / "home")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 good images of about 17 patients, with one file of every fault."""
    folder = tmp_path_factory.mktemp("landing") / "cohort"
    spec = CohortSpec(
        images=60,
        class_mix={"normal": 0.4, "benign": 0.3, "malignant": 0.3},
        faults=Faults.of_each(1),
    )
    write_cohort(spec, folder)
    return folder


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A folder of `<label>/*` with two noise images each."""
    rng = np.random.default_rng(3)
    for label in ("normal", "benign", "malignant"):
        folder = tmp_path / "labelled" / label
        folder.mkdir(parents=True)
        for number in range(2):
            pixels = rng.integers(0, 256, (80, 90), dtype=np.uint8)
            (folder / f"{number}.png").write_bytes(encode(pixels, "image/png"))
    return tmp_path / "labelled"
