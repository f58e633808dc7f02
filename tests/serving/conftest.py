"""Applications on tiny bundles, each with a home of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.application import running_app

StartApp = Callable[..., TestClient]


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def start_app(tmp_path: Path, tiny_bundle: Path) -> Iterator[StartApp]:
    """Starts an application in this process; settings may be given by name."""
    with ExitStack() as running:

        def start(
            bundle: Path = tiny_bundle, home: Path = tmp_path / "home", **settings: Any
        ) -> TestClient:
            return running.enter_context(running_app(home, bundle, **settings))

        yield start


@pytest.fixture
def client(start_app: StartApp) -> TestClient:
    return start_app()


@pytest.fixture(scope="module")
def shared_client(
    tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path
) -> Iterator[TestClient]:
    """One application for all tests of a module that leave nothing behind."""
    with running_app(tmp_path_factory.mktemp("home"), tiny_bundle) as client:
        yield client
