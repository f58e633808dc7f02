"""Before a model may be promoted, the way back from it is walked: to the incumbent and forth again.

A way back that is first tried when it is needed has been known not to be there: the old artifact
was cleaned away, the old format is not read any more, or both models do not fit into memory.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from ml.contract.bundle import bundle_sha256
from ml.contract.errors import Unavailable
from ml.packaging.results import RollbackDrill

_POLL_SECONDS = 0.05
# A slow swap is measured rather than cut off, up to this many times the limit.
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class Incumbent:
    """A registered version and its bundle as a local folder."""

    version: str
    bundle: Path


def point(link: Path, bundle: Path) -> None:
    """Let a link name a bundle, at once for whoever follows it."""
    fresh = link.with_name(f"{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(bundle.resolve(), target_is_directory=True)
    fresh.replace(link)


def drill_rollback(
    client: httpx.Client,
    link: Path,
    *,
    candidate: Path,
    incumbent: Incumbent,
    image: bytes,
    limit_seconds: float,
) -> RollbackDrill:
    """Swap a running server from the candidate to the incumbent and back, and ask it each time.

    Args:
        link: names the bundle that the server follows; the candidate's at the start and the end.
        image: a file as a client sends it.
        limit_seconds: from the swap of the link to an answer by the other model.

    Raises:
        httpx.HTTPError: the server went away.
    """
    seconds, failures = [], []
    for bundle, which in (
        (incumbent.bundle, f"version {incumbent.version}"),
        (candidate, "the candidate again"),
    ):
        try:
            seconds.append(_swap(client, link, bundle, image, _PATIENCE * limit_seconds))
        except Unavailable as error:
            failures.append(f"After a rollback drill {which} did not answer: {error}")
            break
        if not seconds[-1] <= limit_seconds:
            failures.append(
                f"After {seconds[-1]:.1f} s {which} answered (allowed {limit_seconds:g} s)."
            )
    back, forth = [*seconds, float("nan"), float("nan")][:2]
    return RollbackDrill(
        version=incumbent.version, back_seconds=back, forth_seconds=forth, failures=failures
    )


def _swap(client: httpx.Client, link: Path, bundle: Path, image: bytes, patience: float) -> float:
    expected = bundle_sha256(bundle)
    started = time.monotonic()
    point(link, bundle)
    said = "nothing"
    while time.monotonic() - started < patience:
        answer = client.post("/predict", files={"file": ("image", image)})
        if answer.status_code == httpx.codes.OK:
            said = answer.json()["model"]["bundle"]
            if said == expected:
                return time.monotonic() - started
        else:
            said = f"status {answer.status_code}"
        time.sleep(_POLL_SECONDS)
    raise Unavailable(
        f"it said {said} for {patience:.0f} s.",
        remedy="Read the server's log; raise gates.rollback_seconds if the machine is slow.",
    )
