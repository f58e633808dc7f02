import io
import math
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from ml.contract.bundle import MODEL_FILE
from ml.contract.preprocessing import to_grid, to_input
from ml.contract.session import ModelSession
from ml.packaging.bless import bless
from ml.packaging.hostile import hostile_requests
from ml.packaging.results import Blessing
from ml.packaging.rollback_drill import Incumbent
from ml.params import GateParams, load_params
from tests.fakes.tiny_bundle import tiny_pixels, write_tiny_bundle

_ROOT = Path(__file__).parents[3]
_LEVELS = (20, 90, 128, 170, 240)


@pytest.fixture(scope="module")
def limits() -> GateParams:
    return load_params(_ROOT / "params.toml", overrides=["gates.latency_p99_ms=5000"]).gates


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    files = []
    for level in _LEVELS:
        buffer = io.BytesIO()
        Image.fromarray(tiny_pixels(level)).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return files


@pytest.fixture(scope="module")
def expected(bundle: Path) -> np.ndarray:
    session = ModelSession.open(bundle)
    grids = [to_grid(tiny_pixels(level), session.bundle.input) for level in _LEVELS]
    return session.run(to_input(np.stack(grids))).probabilities


def _servers_on(work_folder: Path) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(work_folder / "served") in (process.info["cmdline"] or [])
    ]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def blessing(
    bundle: Path, images: list[bytes], expected: np.ndarray, limits: GateParams, work: Path
) -> Blessing:
    return bless(bundle, images=images, expected=expected, limits=limits, work_folder=work)


def test_a_sound_bundle_is_blessed(blessing: Blessing) -> None:
    assert blessing.failures == []
    assert blessing.passed
    assert blessing.max_difference <= 1e-5


def test_every_hostile_request_got_the_status_that_says_why(blessing: Blessing) -> None:
    assert blessing.hostile == {request.name: request.expected for request in hostile_requests()}


def test_load_time_latency_and_memory_are_measured(blessing: Blessing) -> None:
    assert 0 < blessing.load_seconds < 60
    assert 0 < blessing.p99_ms < 5000
    assert 20 < blessing.rss_mb < 2000


def test_the_server_is_stopped_afterwards(blessing: Blessing, work: Path) -> None:
    assert (work / "server.log").is_file()
    assert _servers_on(work) == []


def test_other_answers_than_offline_and_broken_limits_are_all_named(
    bundle: Path, images: list[bytes], expected: np.ndarray, limits: GateParams, tmp_path: Path
) -> None:
    tight = limits.model_copy(update={"latency_p99_ms": 0.01, "max_memory_mb": 1.0})
    shifted = expected + np.array([0.01, -0.01, 0.0])
    blessing = bless(bundle, images=images, expected=shifted, limits=tight, work_folder=tmp_path)
    assert not blessing.passed
    assert blessing.max_difference == pytest.approx(0.01, abs=1e-4)
    told = " ".join(blessing.failures)
    assert "differ from offline ones by 0.01" in told
    assert "99 % of answers" in told
    assert "MB (allowed 1)" in told


def test_a_bundle_that_cannot_be_served_is_not_blessed_and_the_reason_is_readable(
    images: list[bytes], expected: np.ndarray, limits: GateParams, tmp_path: Path
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle")
    with (bundle / MODEL_FILE).open("ab") as file:
        file.write(b"damage")
    blessing = bless(bundle, images=images, expected=expected, limits=limits, work_folder=tmp_path)
    assert not blessing.passed
    assert math.isnan(blessing.p99_ms)
    assert blessing.model_dump(mode="json")["p99_ms"] is None
    assert math.isnan(Blessing.model_validate(blessing.model_dump(mode="json")).p99_ms)
    assert len(blessing.failures) == 1
    assert MODEL_FILE in blessing.failures[0]
    assert "Traceback" not in blessing.failures[0]
    assert _servers_on(tmp_path) == []


@pytest.fixture(scope="module")
def incumbent(tmp_path_factory: pytest.TempPathFactory) -> Incumbent:
    folder = write_tiny_bundle(tmp_path_factory.mktemp("incumbent"), run_key="tiny-0")
    return Incumbent("7", folder)


def test_a_running_server_is_rolled_back_to_the_incumbent_and_forth(
    bundle: Path,
    images: list[bytes],
    expected: np.ndarray,
    limits: GateParams,
    incumbent: Incumbent,
    tmp_path: Path,
) -> None:
    blessing = bless(
        bundle,
        images=images,
        expected=expected,
        limits=limits,
        work_folder=tmp_path,
        incumbent=incumbent,
    )
    assert blessing.failures == []
    assert blessing.rollback is not None
    assert blessing.rollback.version == "7"
    assert 0 < blessing.rollback.back_seconds <= limits.rollback_seconds
    assert 0 < blessing.rollback.forth_seconds <= limits.rollback_seconds
    assert (tmp_path / "served").resolve() == bundle.resolve()


def test_without_a_way_back_nothing_is_blessed(
    bundle: Path,
    images: list[bytes],
    expected: np.ndarray,
    limits: GateParams,
    tmp_path: Path,
) -> None:
    damaged = write_tiny_bundle(tmp_path / "damaged", run_key="tiny-0")
    with (damaged / MODEL_FILE).open("ab") as file:
        file.write(b"damage")
    blessing = bless(
        bundle,
        images=images,
        expected=expected,
        limits=limits.model_copy(update={"rollback_seconds": 2.0}),
        work_folder=tmp_path,
        incumbent=Incumbent("7", damaged),
    )
    assert not blessing.passed
    assert "version 7 did not answer" in " ".join(blessing.failures)
    assert blessing.rollback_seconds is not None
    assert math.isnan(blessing.rollback_seconds)
    assert not math.isnan(blessing.p99_ms)


@pytest.mark.parametrize("shape", [None, (5, 2), (4, 3)])
def test_without_offline_answers_for_every_image_and_label_nothing_is_blessed(
    bundle: Path,
    images: list[bytes],
    limits: GateParams,
    tmp_path: Path,
    shape: tuple[int, int] | None,
) -> None:
    expected = None if shape is None else np.zeros(shape)
    blessing = bless(bundle, images=images, expected=expected, limits=limits, work_folder=tmp_path)
    assert not blessing.passed
    assert math.isnan(blessing.max_difference)
