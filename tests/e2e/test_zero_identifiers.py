"""Nothing that names a patient is kept, printed or answered: the last test of the journey."""

import base64
import itertools
import json
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Journey
from tests.e2e.planted import NAME, PLANTED, contents, planted_in, planted_under
from tests.e2e.serving import serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def delivery(journey: Journey) -> Path:
    return journey.home.parent / "images"


@pytest.fixture(scope="module")
def answers(journey: Journey, delivery: Path) -> str:
    """All that a server said and wrote when it was asked with files that name their patients."""
    log = journey.home.parent / "identifiers-server.log"
    said: list[str] = []

    def keep(answer: httpx.Response) -> httpx.Response:
        said.append(f"{answer.status_code} {answer.headers} {answer.text}")
        return answer

    files = sorted(path for path in delivery.rglob("*") if path.suffix in (".png", ".dcm", ".jpg"))
    sound = [path for path in files if path.name[0].isdigit()]
    faulty = [path for path in files if not path.name[0].isdigit()]
    assert faulty
    with serving(journey, log) as url, httpx.Client(base_url=url, timeout=60) as client:
        for path in itertools.chain(sound[:40], faulty):
            keep(client.post("/predict", files={"file": (path.name, path.read_bytes())}))
        batch = [("files", (path.name, path.read_bytes())) for path in (*sound[:5], *faulty)]
        keep(client.post("/batch_predict", files=batch))
        explained = client.post(
            "/predict",
            params={"explain": "true"},
            files={"file": (f"{NAME}.dcm", sound[0].read_bytes())},
            data={"study": NAME},
        )
        keep(explained)
        for path in ("/model", "/metrics", "/health/ready", f"/{NAME}", f"/feedback/{NAME}"):
            keep(client.get(path))
        keep(client.post("/feedback", json={"request_id": NAME, "label": "benign"}))
    said.append(log.read_text())
    return "\n".join(said)


def test_the_search_finds_every_form_of_an_identifier(tmp_path: Path) -> None:
    for text in PLANTED:
        assert planted_in(f"…{text.upper()}…".encode()) == {text}
        assert planted_in(text.encode("utf-16")) == {text}
    for offset in range(3):
        assert NAME in planted_in(base64.b64encode(b"x" * offset + NAME.encode() + b"yz"))
    assert planted_in(b"nothing at all") == set()


def test_every_delivered_file_names_its_patient(delivery: Path) -> None:
    found = planted_under(delivery)
    files = [path for path in delivery.rglob("*") if path.is_file() and path.name[0] != "."]
    assert len(files) > 500
    assert all(
        NAME in found[path.relative_to(delivery).as_posix()]
        and any(NAME in planted_in(content) for content in contents(path))
        for path in files
    )


def test_the_journey_tells_nobody(journey: Journey) -> None:
    assert planted_in(journey.printed.encode()) == set()
    assert planted_in(json.dumps(journey.summary).encode()) == set()


def test_the_server_tells_nobody(answers: str) -> None:
    assert "200 " in answers
    assert "400 " in answers
    assert planted_in(answers.encode()) == set()


def test_nothing_that_is_kept_names_a_patient(journey: Journey, answers: str) -> None:
    if not journey.workspace.drift_reports.is_dir():
        report = journey.vigie("--json", "drift", "--set", "profile=demo")
        assert report.returncode == 0, report.stderr
    assert planted_under(journey.home) == {}


def test_listing_what_is_kept_tells_nobody(journey: Journey) -> None:
    for verb in (["quarantine"], ["versions"], ["ledger"]):
        told = journey.vigie("--json", *verb)
        assert told.returncode == 0, told.stderr
        assert planted_in((told.stdout + told.stderr).encode()) == set()
