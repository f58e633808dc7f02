"""Infrastructure blessing: what was proven offline must hold on the real server.

The idea is TFX's InfraValidator (https://www.tensorflow.org/tfx/guide/infra_validator): a model
may be good and still not load, not fit, or not answer in time.
"""

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt

from ml.contract.bundle import bundle_sha256
from ml.contract.errors import Unavailable
from ml.packaging.hostile import hostile_requests
from ml.packaging.results import Blessing
from ml.packaging.rollback_drill import Incumbent, drill_rollback, point
from ml.packaging.server_process import ServerProcess, serving
from ml.params import GateParams

TOLERANCE = 1e-3
"""Largest difference between a served and an offline probability."""

_TIMED_REQUESTS = 40
# Slower loading is measured rather than cut off, up to this many times the limit.
_PATIENCE = 2.0
_REQUEST_SECONDS = 60
_logger = logging.getLogger(__name__)


def bless(
    bundle_folder: Path,
    *,
    images: Sequence[bytes],
    expected: npt.NDArray[np.floating] | None,
    limits: GateParams,
    work_folder: Path,
    incumbent: Incumbent | None = None,
) -> Blessing:
    """Start the real server on a bundle, compare, attack and measure it, and stop it.

    Where something is in production, the server is then rolled back to it and forth again.

    Args:
        images: files as a client sends them.
        expected: (images, labels), the offline probabilities for the same files; None where there
            is no bundle to compute them with.
        work_folder: exists; takes the server's state and log.
        incumbent: what a rollback would put back.

    Returns:
        What was measured; NaN where the server did not get that far.
    """
    patience = _PATIENCE * limits.load_seconds
    link = work_folder / "served"
    point(link, bundle_folder)
    try:
        with (
            serving(link, work_folder=work_folder, patience=patience) as server,
            httpx.Client(base_url=server.url, timeout=_REQUEST_SECONDS) as client,
        ):
            _logger.info("The server was ready after %.1f s", server.load_seconds)
            blessing = _examine(server, client, bundle_folder, images, expected, limits)
            if incumbent is None or not images:
                return blessing
            return _with_drill(blessing, client, link, bundle_folder, incumbent, images[0], limits)
    except (Unavailable, httpx.HTTPError) as error:
        reason = str(error) or type(error).__name__
        _logger.warning("The server could not be examined: %s", reason)
        return Blessing(
            passed=False,
            load_seconds=math.nan,
            p99_ms=math.nan,
            rss_mb=math.nan,
            max_difference=math.nan,
            hostile={},
            failures=[reason],
        )


def _examine(
    server: ServerProcess,
    client: httpx.Client,
    bundle_folder: Path,
    images: Sequence[bytes],
    expected: npt.NDArray[np.floating] | None,
    limits: GateParams,
) -> Blessing:
    model = client.get("/model").raise_for_status().json()
    failures = []
    if model["bundle"] != bundle_sha256(bundle_folder):
        failures.append("The server answers with another bundle than the one it was given.")

    difference = _largest_difference(client, images, expected, model["labels"])
    _logger.info("%d replayed answers differ by at most %.2g", len(images), difference)
    if not difference <= TOLERANCE:  # NaN is not within
        failures.append(
            f"Served probabilities differ from offline ones by {difference:.2g} "
            f"(allowed {TOLERANCE:g})."
        )

    hostile = {}
    for request in hostile_requests():
        status = hostile[request.name] = request.send(client)
        if status != request.expected:
            failures.append(f"{request.name} was answered {status}, expected {request.expected}.")
    _logger.info("Hostile requests were answered %s", hostile)

    p99_ms = _p99_ms(client, images)
    rss_mb = server.memory_mb()
    _logger.info("99 %% of answers within %.0f ms, memory %.0f MB", p99_ms, rss_mb)
    for what, value, limit, unit in (
        ("It was ready after", server.load_seconds, limits.load_seconds, "s"),
        ("99 % of answers took up to", p99_ms, limits.latency_p99_ms, "ms"),
        ("It uses", rss_mb, limits.max_memory_mb, "MB"),
    ):
        if not value <= limit:
            failures.append(f"{what} {value:.0f} {unit} (allowed {limit:g}).")
    if not server.lives():
        failures.append("The server stopped during the examination.")
    return Blessing(
        passed=not failures,
        load_seconds=server.load_seconds,
        p99_ms=p99_ms,
        rss_mb=rss_mb,
        max_difference=difference,
        hostile=hostile,
        failures=failures,
    )


def _with_drill(
    blessing: Blessing,
    client: httpx.Client,
    link: Path,
    bundle_folder: Path,
    incumbent: Incumbent,
    image: bytes,
    limits: GateParams,
) -> Blessing:
    drill = drill_rollback(
        client,
        link,
        candidate=bundle_folder,
        incumbent=incumbent,
        image=image,
        limit_seconds=limits.rollback_seconds,
    )
    _logger.info(
        "Rolled back to version %s in %.1f s, and forth in %.1f s",
        drill.version,
        drill.back_seconds,
        drill.forth_seconds,
    )
    failures = [*blessing.failures, *drill.failures]
    return blessing.model_copy(
        update={"rollback": drill, "failures": failures, "passed": not failures}
    )


def _largest_difference(
    client: httpx.Client,
    images: Sequence[bytes],
    expected: npt.NDArray[np.floating] | None,
    labels: Sequence[str],
) -> float:
    if expected is None or not images or expected.shape != (len(images), len(labels)):
        return math.nan
    answers = [_predict(client, image)["probabilities"] for image in images]
    served = np.array([[answer[label] for label in labels] for answer in answers])
    return float(np.abs(served - expected).max())


def _p99_ms(client: httpx.Client, images: Sequence[bytes]) -> float:
    """Over sequential requests, as a client sees them."""
    if not images:
        return math.nan
    milliseconds = []
    for number in range(_TIMED_REQUESTS):
        started = time.perf_counter()
        _predict(client, images[number % len(images)])
        milliseconds.append(1e3 * (time.perf_counter() - started))
    return float(np.quantile(milliseconds, 0.99))


def _predict(client: httpx.Client, image: bytes) -> dict[str, dict[str, float]]:
    answer = client.post("/predict", files={"file": ("image", image)})
    if answer.status_code != httpx.codes.OK:
        raise Unavailable(f"A valid image was answered {answer.status_code}: {answer.text}")
    return answer.json()
