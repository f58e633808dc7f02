"""What feeds the capacity model: one real server, one real PostgreSQL, the real leak audit."""

import concurrent.futures
import http.client
import json
import resource
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
from capacity_simulation import Floats, Service
from leakage import drawn, read_pictures, rows
from serving_bundle import in_own_process, phantom_files
from serving_limit import expected_answers
from serving_load import Target
from serving_servers import OURS, running
from sqlalchemy import text

from ml.contract.quality import ImageStatistics
from ml.contract.records import ModelIdentity, PredictionRecord
from ml.data.appearance import DESCRIPTOR_BYTES, appearance
from ml.data.leakage import audit
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from ml.store.database import open_database
from ml.store.migrate import migrate
from ml.store.predictions import insert_predictions

FILES, IMAGE_SIDE = 8, 1024
LOADS = (0.3, 0.6, 0.8)
_TIMEOUT_SECONDS = 120.0
_CLIENTS = 64
_ROWS, _INSERT_SECONDS = 500, 5.0
_AUDITED = (10_000, 40_000)
_NOWHERE = Path("no-images")


@dataclass(frozen=True, slots=True)
class Asked:
    """Answers to requests at chosen times: seconds from when each was due, and of its worker."""

    latency: list[float]
    worker: list[float]
    refused: int


@dataclass(frozen=True, slots=True)
class OfferedLoad:
    """One real run: `rate` images a second for `seconds`, and how that was answered.

    `latency` runs from when a request was due; `worker` is what its worker took.
    """

    rate: float
    seconds: float
    latency: list[float]
    worker: list[float]
    refused: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Times in seconds, sizes in bytes.

    `alone` are a worker's seconds while no other works, `together` while all do; `overhead` is what
    a request took besides. `start` is from the server's start to its first answer.
    """

    workers: int
    alone: list[float]
    together: list[float]
    overhead: list[float]
    start: float
    bundle_bytes: int
    file_bytes: int
    insert_rows_per_second: float
    row_bytes: float
    audit_bytes_per_image: float
    loads: list[OfferedLoad]

    def service(self) -> Service:
        """For the simulation."""
        return Service(
            {1: np.array(self.alone), self.workers: np.array(self.together)},
            np.array(self.overhead),
        )

    def write(self, path: Path) -> None:
        """Keep it for `read`."""
        path.write_text(json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` kept."""
        content = json.loads(path.read_text())
        loads = [OfferedLoad(**load) for load in content.pop("loads")]
        return cls(**content, loads=loads)


def measure(bundle: Path, work: Path, workers: int, seconds: float) -> Measured:
    """Measure everything; each of the server's loads lasts `seconds`."""
    work.mkdir(parents=True, exist_ok=True)
    files = phantom_files(FILES, IMAGE_SIDE)
    expected = in_own_process(expected_answers, bundle, files)
    began = time.monotonic()
    alone: list[Asked] = []
    together: list[Asked] = []
    loads: list[OfferedLoad] = []
    with running(OURS, bundle, work, files, expected, workers) as (target, _):
        start = time.monotonic() - began
        # Others' work on the machine comes and goes: each load stands between two measurements of
        # the service times that the simulation takes for it.
        calibrate = seconds / 4
        for share in (*LOADS, None):
            alone.append(in_own_process(ask_in_turn, target, 1, calibrate))
            together.append(in_own_process(ask_in_turn, target, workers, calibrate))
            if share is not None:
                rate = share * workers / float(np.mean(together[-1].worker))
                asked = in_own_process(ask_at_rate, target, rate, seconds)
                loads.append(OfferedLoad(rate, seconds, asked.latency, asked.worker, asked.refused))
    rows_per_second, row_bytes = measure_inserts()
    small, large = (in_own_process(_audit_peak, count) for count in _AUDITED)
    return Measured(
        workers=workers,
        alone=[value for asked in alone for value in asked.worker],
        together=[value for asked in together for value in asked.worker],
        overhead=[
            max(latency - worker, 0.0)
            for asked in alone
            for latency, worker in zip(asked.latency, asked.worker, strict=True)
        ],
        start=start,
        bundle_bytes=sum(path.stat().st_size for path in bundle.iterdir()),
        file_bytes=round(sum(map(len, files)) / len(files)),
        insert_rows_per_second=rows_per_second,
        row_bytes=row_bytes,
        audit_bytes_per_image=(large - small) / (_AUDITED[1] - _AUDITED[0]),
        loads=loads,
    )


def ask_in_turn(target: Target, clients: int, seconds: float) -> Asked:
    """Each client asks again as soon as it is answered."""
    until = time.monotonic() + seconds

    def work(first: int) -> list[tuple[float, float] | None]:
        answers: list[tuple[float, float] | None] = []
        while time.monotonic() < until:
            answers.append(_ask(target, first + len(answers), time.monotonic()))
        return answers

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return _asked([answer for mine in pool.map(work, range(clients)) for answer in mine])


def ask_at_rate(target: Target, rate: float, seconds: float) -> Asked:
    """Poisson arrivals, which wait for nobody; latency runs from when a request was due."""
    rng = np.random.default_rng(20)
    due: Floats = np.cumsum(rng.exponential(1 / rate, int(rate * seconds)))
    began = time.monotonic()

    def work(number: int) -> tuple[float, float] | None:
        return _ask(target, number, began + float(due[number]))

    with concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
        answers = []
        for number, at in enumerate(due):
            time.sleep(max(0.0, began + at - time.monotonic()))
            answers.append(pool.submit(work, number))
        return _asked([answer.result() for answer in answers])


def _ask(target: Target, number: int, due: float) -> tuple[float, float] | None:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=_TIMEOUT_SECONDS)
    try:
        body = target.bodies[number % len(target.bodies)]
        connection.request("POST", target.path, body, dict(target.headers))
        response = connection.getresponse()
        content = response.read()
        latency = time.monotonic() - due
    finally:
        connection.close()
    if response.status == http.client.TOO_MANY_REQUESTS:
        return None
    if response.status != http.client.OK:
        raise SystemExit(f"the server answers {response.status}: {content[:200]!r}")
    stages = json.loads(content)["timings_ms"]
    worker = sum(value for name, value in stages.items() if name not in ("queue", "total"))
    return latency, worker / 1e3


def _asked(answers: Sequence[tuple[float, float] | None]) -> Asked:
    given = [answer for answer in answers if answer is not None]
    return Asked(
        [latency for latency, _ in given],
        [worker for _, worker in given],
        len(answers) - len(given),
    )


def measure_inserts() -> tuple[float, float]:
    """Rows a second that one shipper stores in a PostgreSQL of its own, and bytes a row takes."""
    from tests.fakes.postgres_process import PostgresProcess

    with PostgresProcess() as postgres:
        engine = open_database(postgres.url)
        migrate(engine)
        stored, spent = 0, 0.0
        while spent < _INSERT_SECONDS:
            records = [_record() for _ in range(_ROWS)]
            began = time.perf_counter()
            insert_predictions(engine, records)
            spent += time.perf_counter() - began
            stored += _ROWS
        with engine.connect() as connection:
            size = connection.execute(text("SELECT pg_total_relation_size('predictions')")).scalar()
        engine.dispose()
    return stored / spent, float(size) / stored


def _record() -> PredictionRecord:
    return PredictionRecord(
        request_id=uuid.uuid4().hex,
        at=datetime.now(UTC),
        channel="predict",
        image_id=uuid.uuid4().hex * 2,
        model=ModelIdentity(name="vigie", version="1", bundle="0" * 64),
        label="normal",
        action="report",
        reasons=[],
        probabilities={"normal": 0.9, "benign": 0.07, "malignant": 0.03},
        embedding=np.random.default_rng().normal(size=16).tolist(),
        statistics=ImageStatistics(
            width=1024,
            height=1024,
            mean=80.5,
            std=40.25,
            contrast=200.0,
            entropy=6.5,
            sharpness=300.125,
            black_share=0.1,
            white_share=0.01,
            colourfulness=0.0,
        ),
        total_ms=85.4,
    )


def _audit_peak(images: int) -> int:
    """Bytes that a process has held at most to audit so many images."""
    pictures = read_pictures(_NOWHERE)  # phantoms
    real = np.frombuffer(b"".join(appearance(picture).descriptor for picture in pictures), np.int8)
    frame = rows(drawn(real.reshape(-1, DESCRIPTOR_BYTES), images, seed=images))
    audit(frame, load_params(PROJECT_ROOT / "params.toml").data)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
