"""Singles and batches without pause while models are swapped; every answer is checked."""

import http.client
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving_servers import FORM_TYPE, multipart

BATCH = 4
_TOLERANCE = 1e-3
_TIMEOUT_SECONDS = 60.0

Expected = Mapping[str, Sequence[Sequence[float]]]
"""By version, the probabilities of each file."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One request; `ended` is on the monotonic clock, which processes of a machine share.

    `fault` says what went wrong; `mixed` that the answer names more than one version, or holds
    what the version that it names does not answer.
    """

    ended: float
    seconds: float
    batch: bool
    fault: str | None = None
    mixed: bool = False


def send_until(
    stop_file: Path, port: int, files: Sequence[bytes], expected: Expected, clients: int
) -> list[Reply]:
    """Ask with `clients` clients, every fourth sending batches, until `stop_file` appears."""
    replies: list[list[Reply]] = [[] for _ in range(clients)]

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
        asked = number
        while not stop_file.exists():
            asked += 1
            replies[number].append(
                _ask(connection, files, expected, asked % len(files), batch=number % 4 == 0)
            )
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [reply for mine in replies for reply in mine]


def _ask(
    connection: http.client.HTTPConnection,
    files: Sequence[bytes],
    expected: Expected,
    which: int,
    *,
    batch: bool,
) -> Reply:
    path = "/batch_predict" if batch else "/predict"
    body = multipart([files[which]] * (BATCH if batch else 1), "files" if batch else "file")
    started = time.monotonic()
    try:
        connection.request("POST", path, body, {"Content-Type": FORM_TYPE})
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Reply(time.monotonic(), time.monotonic() - started, batch, repr(error))
    ended = time.monotonic()
    if response.status != http.client.OK:
        fault = f"{response.status}: {content[:200]!r}"
        return Reply(ended, ended - started, batch, fault)
    answer = json.loads(content)
    items = [item["result"] for item in answer["results"]] if batch else [answer]
    versions = {item["model"]["version"] for item in items} | {answer["model"]["version"]}
    belongs = len(versions) == 1 and all(_belongs(item, expected, which) for item in items)
    return Reply(ended, ended - started, batch, mixed=not belongs)


def _belongs(item: Mapping, expected: Expected, which: int) -> bool:
    right = expected[item["model"]["version"]][which]
    pairs = zip(item["probabilities"].values(), right, strict=True)
    return all(abs(ours - theirs) <= _TOLERANCE for ours, theirs in pairs)
