from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ml.data.phantoms import CohortSpec, Faults, write_cohort
from ml.data.phantoms.files import encode
from ml.data.storage import Place
from tests.fakes.s3_process import S3Process
from tests.unit.data.home import DataHome


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Process]:
    """A server that speaks S3, in a process of its own."""
    with S3Process() as server:
        yield server


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.xdist_group("s3"))])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty folder, and an empty prefix of a bucket."""
    if request.param == "folder":
        return tmp_path / "anywhere"
    server: S3Process = request.getfixturevalue("s3")
    return server.new_place()


@pytest.fixture
def home(tmp_path: Path) -> DataHome:
    return DataHome(tmp_path / "home")


@pytest.fixture
def home_anywhere(tmp_path: Path, anywhere: Place) -> DataHome:
    """A home with its store in a folder, and one with its store in a bucket."""
    return DataHome(tmp_path / "home", store=anywhere)


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
