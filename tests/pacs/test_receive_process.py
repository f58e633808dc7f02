"""The receiver as it runs: killed in the middle, asked to end, and started wrongly."""

import os
import random
import socket
import subprocess
import sys
import threading

import pytest

from ml.contract.decoding import decode
from ml.contract.errors import InvalidParams, Unavailable
from ml.journey.pacs_receive import receive
from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.pacs.receiver_process import ReceiverProcess
from tests.pacs.senders import association, codes, store
from tests.pacs.studies import identifiers, read, study_files

STUDY = 30
PARAMS = load_params(PROJECT_ROOT / "params.toml", profile="demo")


def landed(home) -> dict[str, bytes]:
    files = [path for path in (home / "landing").rglob("*.dcm") if not path.name.startswith(".")]
    return {path.name: path.read_bytes() for path in files}


def pixels_of(files) -> list[bytes]:
    return sorted(decode(file).pixels.tobytes() for file in files)


def send_until_it_dies(port: int, files: list[bytes], kill, after: int) -> int:
    """Send, and kill the receiver while it takes the object after so many; returns the stored."""
    stored = 0
    with association(port) as made:
        for number, file in enumerate(files):
            if number == after:
                threading.Timer(random.uniform(0, 0.02), kill).start()
            answer = made.send_c_store(read(file)) if made.is_established else {}
            if "Status" not in answer:
                return stored
            assert answer.Status == 0
            stored += 1
    return stored


def test_killed_in_the_middle_and_sent_again_nothing_is_lost_or_doubled(tmp_path):
    home, sent = tmp_path / "home", study_files([128] * STUDY)
    with ReceiverProcess(home) as receiver:
        for after in (7, 23):
            stored = send_until_it_dies(receiver.port, sent, receiver.kill, after)
            # What was confirmed is there, whatever happened.
            whole = landed(home)
            assert pixels_of(whole.values()) == pixels_of(sent[: len(whole)])
            assert stored <= len(whole)
            receiver.start()
        assert codes(store(receiver.port, sent)) == [0] * STUDY
        assert pixels_of(landed(home).values()) == pixels_of(sent)
        assert receiver.stop() == 0
    told = receiver.log.read_text()
    assert f"{STUDY - len(whole)} landed, {len(whole)} there before" in told
    for planted in identifiers(sent):
        assert planted not in told


def test_asked_to_end_it_lets_an_association_finish(tmp_path):
    home, sent = tmp_path / "home", study_files([0, 128, 255])
    with ReceiverProcess(home) as receiver, association(receiver.port) as made:
        assert made.send_c_store(read(sent[0])).Status == 0
        ended: list[int] = []
        end = threading.Thread(target=lambda: ended.append(receiver.stop()))
        end.start()
        assert codes([made.send_c_store(read(file)) for file in sent[1:]]) == [0, 0]
        made.release()
        end.join()
        assert ended == [0]
    assert len(landed(home)) == 3
    assert "takes no more calls" in receiver.log.read_text()


def test_started_for_everybody_it_says_what_to_set(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "ml.cli", "receive"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "VIGIE_HOME": str(tmp_path), "VIGIE_DICOM_HOST": "0.0.0.0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1
    told = " ".join(ran.stderr.split())
    assert "Anybody in the network could send images" in told
    assert "VIGIE_DICOM_PEERS" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "changes",
    [{"host": "0.0.0.0"}, {"peers": "CT1@nowhere"}, {"title": "A TITLE THAT IS TOO LONG"}],
)
def test_nothing_listens_with_wrong_settings(tmp_path, changes):
    workspace = Workspace.at(tmp_path, expectations=PROJECT_ROOT / "expectations")
    usual = {"title": "VIGIE", "host": "127.0.0.1", "port": 0, "peers": ""}
    with pytest.raises(InvalidParams):
        receive(workspace, PARAMS, **usual | changes, stop=threading.Event())


def test_a_port_that_is_taken_is_named(tmp_path):
    workspace = Workspace.at(tmp_path, expectations=PROJECT_ROOT / "expectations")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Unavailable, match="Port"):
        receive(
            workspace,
            PARAMS,
            title="VIGIE",
            host="127.0.0.1",
            port=taken.getsockname()[1],
            peers="",
            stop=threading.Event(),
        )
