import os
import socket
from dataclasses import replace

import pytest

from ml.stack.errors import PortTaken
from ml.stack.ports import require_free_ports


def test_free_ports_pass(config):
    require_free_ports(config)


def test_a_taken_port_is_named_with_its_variable_and_its_holder(config):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", config.mlflow_port))
        holder.listen()

        with pytest.raises(PortTaken) as taken:
            require_free_ports(config)

    assert str(config.mlflow_port) in taken.value.message
    assert "VIGIE_MLFLOW_PORT" in taken.value.remedy
    assert str(os.getpid()) in taken.value.message


def test_one_port_for_two_parts_is_refused(config):
    with pytest.raises(PortTaken, match="twice"):
        require_free_ports(replace(config, server_port=config.airflow_port))
