"""The parts that the round trip goes through, each a real process."""

import pytest

from ml.journey.workspace import Workspace
from ml.settings import PROJECT_ROOT
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.pacs.orthanc_process import OrthancProcess
from tests.serving.server_process import ServerProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    bundle = write_tiny_bundle(folder / "bundle")
    with ServerProcess(
        folder / "home", "--bundle", str(bundle), environment={"VIGIE_ENGINE": "onnxruntime"}
    ) as server:
        yield server


@pytest.fixture
def orthanc(tmp_path):
    with OrthancProcess(tmp_path / "orthanc") as orthanc:
        yield orthanc


@pytest.fixture
def workspace(tmp_path):
    return Workspace.at(tmp_path / "home", expectations=PROJECT_ROOT / "expectations")
