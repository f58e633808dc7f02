import socket
from dataclasses import replace

from ml.stack.health import probe
from ml.stack.procfile import commands


def test_silence_is_not_healthy_and_no_error(config):
    found = probe(config, seconds=0.2)

    # The guard listens nowhere: it is well as long as it runs.
    assert set(found) == set(commands(config)) - {"guard"}
    assert not any(found.values())


def test_a_receiver_is_well_when_its_port_can_be_reached(config):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        for host in ("127.0.0.1", "0.0.0.0"):
            found = probe(replace(config, receiver=(host, port)), seconds=0.2)
            assert found["receiver"]
