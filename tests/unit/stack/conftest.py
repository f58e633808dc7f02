"""Stacks on free ports, in a folder of their own."""

import socket

import pytest

from ml.settings import PROJECT_ROOT
from ml.stack.config import StackConfig


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def config(tmp_path):
    """A stack of which nothing runs."""
    return StackConfig(
        home=tmp_path,
        landing=tmp_path / "landing",
        store=tmp_path / "store",
        project=PROJECT_ROOT,
        airflow_port=free_port(),
        mlflow_port=free_port(),
        server_port=free_port(),
        parallelism=2,
        receiver=("127.0.0.1", free_port()),
    )
