"""The pipeline's metrics as Airflow's API server shows them, in a process of its own.

`python -m tests.fakes.pipeline_process PORT`: the plugin's application under its prefix, on a real
Airflow database with a small history. `VIGIE_HOME` says which installation it tells of.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ml.settings import PROJECT_ROOT


@contextmanager
def pipeline_metrics(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Start it, give its address without scheme, and end it; it answers after some seconds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    folder.mkdir(parents=True)
    log = folder / "pipeline.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.pipeline_process", address.rpartition(":")[2]],
            cwd=PROJECT_ROOT,
            env={
                **environment,
                "AIRFLOW_HOME": str(folder),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
                "PYTHONPATH": os.pathsep.join(map(str, (PROJECT_ROOT, PROJECT_ROOT / "plugins"))),
            },
            stdout=file,
            stderr=file,
        )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(20)


def main() -> None:
    """Serve until terminated."""
    import uvicorn
    from fastapi import FastAPI
    from vigie_metrics import app as plugin

    from tests.fakes.airflow_history import write_history

    write_history()
    app = FastAPI()
    app.mount("/vigie", plugin)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
