import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("several_devices.py")


@pytest.fixture(scope="module")
def trained() -> dict:
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_device_has_its_part_of_the_batch(trained):
    assert len(trained["devices"]) == 3
    assert trained["placed"] == trained["devices"]


def test_a_batch_that_devices_share_trains_the_same_weights(trained):
    assert trained["three"]["losses"] == pytest.approx(trained["one"]["losses"], rel=1e-5)
    assert trained["three"]["weights"] == pytest.approx(trained["one"]["weights"], abs=1e-5)
    assert trained["one"]["losses"][-1] < trained["one"]["losses"][0]
