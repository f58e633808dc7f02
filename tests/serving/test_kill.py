"""`kill -9` of a real server under load: what was answered is in the log, once."""

import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from ml.store.database import open_database
from ml.store.predictions import read_predictions
from serving.outbox import Outbox
from tests.serving.images import png
from tests.serving.server_process import ServerProcess

KILLS = 2


def send_until_it_dies(url: str, answered: list[str]) -> None:
    with httpx.Client(base_url=url, timeout=10) as client:
        while True:
            try:
                answer = client.post("/predict", files={"file": png()})
                answered.append(answer.json()["request_id"])
                batch = client.post("/batch_predict", files=[("files", png())] * 3).json()
                answered += [item["result"]["request_id"] for item in batch["results"]]
            except httpx.HTTPError:
                return


def test_every_answer_outlives_a_kill_exactly_once(tmp_path: Path, tiny_bundle: Path):
    answered: list[str] = []
    server = ServerProcess(tmp_path, "--bundle", str(tiny_bundle))
    for _ in range(KILLS):
        with server:
            clients = [
                threading.Thread(target=send_until_it_dies, args=(server.url, answered))
                for _ in range(4)
            ]
            for client in clients:
                client.start()
            time.sleep(1.0)
            server.kill()
            for client in clients:
                client.join()
    outbox = Outbox(tmp_path / "serving" / "outbox.sqlite")
    with server:
        deadline = time.monotonic() + 20
        while outbox.depth():
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)
        assert server.stop() != 0  # ended by SIGTERM, which it passes on
    stored = Counter(
        record.request_id
        for record in read_predictions(open_database(f"sqlite:///{tmp_path}/vigie.db"))
    )
    assert len(answered) > KILLS * 4
    assert set(stored.values()) == {1}
    assert set(answered) <= set(stored)
