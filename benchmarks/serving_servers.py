"""The servers that are compared: how each is installed, started, asked and stopped."""

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from serving_load import Target

ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(__file__).with_name("peers")
_START_SECONDS = 180.0
_STOP_SECONDS = 15.0
_LOG_CHARACTERS = 600
_TOLERANCE = 5e-3
_ENGINE_TOLERANCE = 0.05
_BOUNDARY = "vigie-benchmark"
FORM_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"


class ServerUnusable(Exception):
    """A server that cannot be installed, started, or answers something else; says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """One competitor. `command` takes its environment's `bin` folder, the port and the bundle."""

    name: str
    command: Callable[[Path, int, Path], list[str]]
    requirements: Path | None = None
    environment: Mapping[str, str] | None = None
    path: str = "/predict"
    speaks_v2: bool = False
    tolerance: float = _TOLERANCE

    def target(self, port: int, files: Sequence[bytes]) -> Target:
        """How it is asked for these image files."""
        if self.speaks_v2:
            return Target(port, self.path, {"Content-Type": "application/json"}, [*map(_v2, files)])
        bodies = [multipart([file], "file") for file in files]
        return Target(port, self.path, {"Content-Type": FORM_TYPE}, bodies)

    def probabilities(self, body: bytes) -> list[float]:
        """The probabilities in its answer."""
        answer = json.loads(body)
        if self.speaks_v2:
            return list(answer["outputs"][0]["data"])
        return list(answer["probabilities"].values())


def _script(name: str) -> Callable[[Path, int, Path], list[str]]:
    return lambda folder, _port, _bundle: [str(folder / "python"), str(PEERS / name)]


def _ours(name: str, engine: str, tolerance: float) -> Server:
    def command(_: Path, port: int, bundle: Path) -> list[str]:
        return [sys.executable, "-m", "serving", "--port", str(port), "--bundle", str(bundle)]

    return Server(name, command, environment={"VIGIE_ENGINE": engine}, tolerance=tolerance)


OURS = _ours("vigie", "onnxruntime", _TOLERANCE)
OURS_OPENVINO = _ours("vigie openvino", "openvino", _ENGINE_TOLERANCE)
PEER_SERVERS = {
    "fastapi": Server("fastapi", _script("with_fastapi.py"), PEERS / "with_fastapi.txt"),
    "litserve": Server("litserve", _script("with_litserve.py"), PEERS / "with_litserve.txt"),
    "bentoml": Server(
        "bentoml",
        lambda folder, port, _: [
            *(str(folder / "bentoml"), "serve", "with_bentoml:Classifier"),
            *("--host", "127.0.0.1", "--port", str(port), "--working-dir", str(PEERS)),
        ],
        PEERS / "with_bentoml.txt",
        {"BENTOML_DO_NOT_TRACK": "True"},
    ),
    "mlserver": Server(
        "mlserver",
        lambda folder, *_: [str(folder / "mlserver"), "start", str(PEERS)],
        PEERS / "with_mlserver.txt",
        {
            "MLSERVER_PARALLEL_WORKERS": "0",
            "MLSERVER_MODEL_NAME": "classifier",
            "MLSERVER_MODEL_IMPLEMENTATION": "with_mlserver.Classifier",
        },
        path="/v2/models/classifier/infer",
        speaks_v2=True,
    ),
    "ray": Server(
        "ray", _script("with_ray.py"), PEERS / "with_ray.txt", {"RAY_USAGE_STATS_ENABLED": "0"}
    ),
}


def install(server: Server, environments: Path) -> Path:
    """The `bin` folder of the server's own environment, made on first use.

    Raises:
        ServerUnusable: it cannot be installed.
    """
    if server.requirements is None:
        return Path(sys.executable).parent
    folder = environments / server.name
    stamp = folder / "requirements.txt"
    wanted = server.requirements.read_text()
    if stamp.is_file() and stamp.read_text() == wanted:
        return folder / "bin"
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", python, str(folder)],
        [
            *(uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")),
            *("--requirements", str(server.requirements)),
        ],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise ServerUnusable(f"uv cannot be run: {error}") from error
        if done.returncode:
            raise ServerUnusable(f"cannot be installed: {done.stderr.strip()[-_LOG_CHARACTERS:]}")
    stamp.write_text(wanted)
    return folder / "bin"


@contextmanager
def running(
    server: Server,
    bundle: Path,
    work: Path,
    files: Sequence[bytes],
    expected: Sequence[Sequence[float]],
    workers: int,
) -> Iterator[tuple[Target, int]]:
    """Start it, see that it answers every file as expected, and stop it with all its children.

    Raises:
        ServerUnusable: it does not start, or answers otherwise.
    """
    folder = install(server, work / "peers")
    port = _free_port()
    home = work / "homes" / server.name.replace(" ", "-")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    log_file = home / "log"
    environment = {
        **os.environ,
        **_ports(server, port),
        **(server.environment or {}),
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(PEERS))),
        "PEER_BUNDLE": str(bundle),
        "PEER_PORT": str(port),
        "PEER_WORKERS": str(workers),
        "VIGIE_WORKERS": str(workers),
        "VIGIE_HOME": str(home),
    }
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            server.command(folder, port, bundle),
            cwd=ROOT if server.requirements is None else PEERS,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        target = server.target(port, files)
        _wait_for_answer(server, target, process, log_file)
        for number, body in enumerate(target.bodies):
            status, content = _ask(target, body)
            if status != http.client.OK:
                raise ServerUnusable(f"answers {status}: {content[:_LOG_CHARACTERS]!r}")
            answered = server.probabilities(content)
            pairs = zip(answered, expected[number], strict=True)
            if max(abs(ours - theirs) for ours, theirs in pairs) > server.tolerance:
                raise ServerUnusable(f"answers {answered} where {expected[number]} is right")
        yield target, process.pid
    finally:
        _stop(process)


def _ports(server: Server, port: int) -> dict[str, str]:
    if not server.speaks_v2:
        return {}
    names = ("MLSERVER_GRPC_PORT", "MLSERVER_METRICS_PORT")
    return {"MLSERVER_HTTP_PORT": str(port), **{name: str(_free_port()) for name in names}}


def _wait_for_answer(
    server: Server, target: Target, process: "subprocess.Popen[bytes]", log: Path
) -> None:
    deadline = time.monotonic() + _START_SECONDS
    status = 0
    while status != http.client.OK:
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace").strip()[-_LOG_CHARACTERS:]
            raise ServerUnusable(f"{server.name} does not answer (status {status}): {said}")
        time.sleep(0.2)
        try:
            status, _ = _ask(target, target.bodies[0])
        except (OSError, http.client.HTTPException):
            continue


def _ask(target: Target, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
    try:
        connection.request("POST", target.path, body, dict(target.headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    family: list[psutil.Process] = []
    if process.poll() is None:
        root = psutil.Process(process.pid)
        family = [root, *root.children(recursive=True)]
        process.terminate()
    _, alive = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for survivor in alive:
        survivor.kill()
    psutil.wait_procs(alive, timeout=_STOP_SECONDS)
    process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def multipart(files: Sequence[bytes], field: str) -> bytes:
    """A form body of image files; see `FORM_TYPE`."""
    head = (
        f"--{_BOUNDARY}\r\nContent-Disposition: form-data; "
        f'name="{field}"; filename="image.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    parts = b"".join(head.encode() + file + b"\r\n" for file in files)
    return parts + f"--{_BOUNDARY}--\r\n".encode()


def _v2(file: bytes) -> bytes:
    data = [base64.b64encode(file).decode("ascii")]
    image = {"name": "file", "shape": [1], "datatype": "BYTES", "data": data}
    return json.dumps({"inputs": [image]}).encode()
