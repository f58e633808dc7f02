from ml.stack.health import probe
from ml.stack.procfile import commands


def test_silence_is_not_healthy_and_no_error(config):
    found = probe(config, seconds=0.2)

    # The guard listens nowhere: it is well as long as it runs.
    assert set(found) == set(commands(config)) - {"guard"}
    assert not any(found.values())
