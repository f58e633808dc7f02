import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from ml.packaging.server_process import serving
from ml.settings import PROJECT_ROOT
from tests.fakes.tiny_bundle import write_tiny_bundle

GONE_SECONDS = 15
STARTER = """
import sys, time
from pathlib import Path
from ml.packaging.server_process import serving
with serving(Path(sys.argv[1]), work_folder=Path(sys.argv[2]), patience=120):
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def starter(bundle: Path, tmp_path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(bundle), str(tmp_path)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
    ) as process:
        yield process
        process.kill()


def server_of(starter: "subprocess.Popen[bytes]") -> psutil.Process:
    while starter.poll() is None:
        for child in psutil.Process(starter.pid).children():
            return child
    raise AssertionError("the starter ended")


def test_it_is_ready_within_the_block_and_gone_after_it(bundle: Path, tmp_path: Path) -> None:
    with serving(bundle, work_folder=tmp_path, patience=120) as server:
        assert httpx.get(f"{server.url}/health/ready").status_code == 200
        assert server.lives()
    assert not server.lives()


@pytest.mark.parametrize("ready", [False, True], ids=["while it starts", "while it serves"])
def test_it_ends_with_a_process_that_was_killed(
    starter: "subprocess.Popen[bytes]", ready: bool
) -> None:
    server = server_of(starter)
    assert starter.stdout is not None
    if ready:
        assert starter.stdout.readline() == b"ready\n"
    starter.kill()
    _, left = psutil.wait_procs([server], GONE_SECONDS)
    for process in left:
        process.kill()
    assert left == []
