"""Which answered images are kept for persons, and what of them."""

import io
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from sqlalchemy import Engine, update
from starlette.testclient import TestClient

from ml.contract.decoding import DecodeLimits, decode, image_id
from ml.contract.session import ModelSession
from ml.store.database import open_database, writing
from ml.store.migrate import migrate
from ml.store.review_images import KeptImage, keep_image, read_kept, read_pixels
from ml.store.tables import REVIEW_IMAGES
from serving.inference import examine_file
from serving.metrics import ServerMetrics
from serving.review_keeper import ReviewKeeper
from tests.fakes.postgres_process import PostgresProcess
from tests.serving.images import NORMAL, encoded, png


def database(client: TestClient) -> Engine:
    engine: Engine = client.app.state.server.database
    return engine


def kept(client: TestClient, count: int = 1) -> list[KeptImage]:
    deadline = time.monotonic() + 10
    while len(found := read_kept(database(client))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def counted(client: TestClient, outcome: str) -> float:
    name, labels = "vigie_review_images_total", {"outcome": outcome}
    return client.app.state.server.metrics.registry.get_sample_value(name, labels) or 0.0


def wait_for(client: TestClient, outcome: str) -> None:
    deadline = time.monotonic() + 10
    while not counted(client, outcome):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_answered_image_is_kept_as_pixels_alone(client):
    image = Image.open(io.BytesIO(png(NORMAL)))
    file = encoded(image, "JPEG", comment=b"DOE JANE", quality=90)
    answer = client.post("/predict", files={"file": file}).json()
    (one,) = kept(client)
    assert (one.request_id, one.share) == (answer["request_id"], "sample")
    assert one.until - one.at == timedelta(days=14)
    pixels = read_pixels(database(client), one.image_id)
    assert pixels is not None
    assert b"DOE" not in pixels
    assert image_id(decode(pixels).pixels) == one.image_id == image_id(decode(file).pixels)
    assert Image.open(io.BytesIO(pixels)).info == {}


def test_of_a_day_no_more_are_kept_than_was_asked_for(start_app):
    client = start_app(review_images=2)
    for seed in range(8):
        client.post("/predict", files={"file": png(NORMAL, seed=seed)})
        time.sleep(0.05)  # one at a time is taken
    sample = [image for image in kept(client, 2) if image.share == "sample"]
    assert len(sample) == 2


def test_nothing_is_kept_where_nobody_wants_it(start_app):
    client = start_app(review_images=0)
    client.post("/predict", files={"file": png(NORMAL)})
    time.sleep(0.3)
    assert read_kept(database(client)) == []


def test_an_image_that_is_sent_again_is_encoded_once(client):
    for _ in range(3):
        client.post("/predict", files={"file": png(NORMAL)})
        kept(client)
        time.sleep(0.1)
    assert counted(client, "kept") == 1


@pytest.mark.parametrize(("said", "is_kept"), [("YES", False), ("NO", True)])
def test_a_dicom_file_that_declares_text_is_not_kept(client, said, is_kept):
    dataset = dcmread(str(get_testdata_file("MR_small.dcm", download=False)))
    dataset.BurnedInAnnotation = said
    file = io.BytesIO()
    dataset.save_as(file)
    assert client.post("/predict", files={"file": file.getvalue()}).status_code == 200
    wait_for(client, "kept" if is_kept else "text")
    assert len(read_kept(database(client))) == is_kept


def test_a_kind_that_usually_carries_text_is_kept_only_if_somebody_said_so(start_app):
    dataset = dcmread(str(get_testdata_file("MR_small.dcm", download=False)))
    dataset.Modality = "US"
    file = io.BytesIO()
    dataset.save_as(file)
    client = start_app(review_text="accept")
    client.post("/predict", files={"file": file.getvalue()})
    assert len(kept(client)) == 1


@pytest.mark.parametrize("said", ["false", "0"])
def test_an_image_that_is_said_not_to_be_for_review_is_answered_and_not_kept(client, said):
    answer = client.post("/predict", files={"file": png(NORMAL)}, data={"review": said})
    assert answer.status_code == 200
    other = client.post("/predict", files={"file": png(NORMAL, seed=1)}, data={"review": "true"})
    (one,) = kept(client)
    assert one.request_id == other.json()["request_id"]


def test_what_is_said_of_review_has_to_be_yes_or_no(client):
    answer = client.post("/predict", files={"file": png(NORMAL)}, data={"review": "perhaps"})
    assert (answer.status_code, answer.json()["field"]) == (422, "review")


def test_an_image_that_would_take_too_much_memory_is_not_kept(client):
    large = encoded(Image.new("L", (2100, 2100), 60))
    assert client.post("/predict", files={"file": large}).status_code == 200
    client.post("/predict", files={"file": png(NORMAL)})
    (one,) = kept(client)
    assert image_id(decode(png(NORMAL)).pixels) == one.image_id


def test_there_is_room_for_so_many_bytes(start_app):
    client = start_app(review_max_bytes=2**20)
    noisy = encoded(Image.effect_noise((1400, 1400), 80))
    client.post("/predict", files={"file": noisy})
    wait_for(client, "crowded")
    assert read_kept(database(client)) == []


def test_a_starting_server_forgets_what_is_over(start_app, tmp_path):
    client = start_app(home=tmp_path / "shared")
    client.post("/predict", files={"file": png(NORMAL)})
    kept(client)
    with writing(database(client)) as connection:
        over = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(REVIEW_IMAGES).values(until=over))
    again = start_app(home=tmp_path / "shared")
    deadline = time.monotonic() + 10
    while read_kept(database(again)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def postgres() -> Iterator[Engine]:
    """A PostgreSQL database without tables."""
    with PostgresProcess() as server:
        engine = open_database(server.url)
        yield engine
        engine.dispose()


def keeper_of(database: Engine) -> ReviewKeeper:
    return ReviewKeeper(
        database,
        ServerMetrics(),
        limits=DecodeLimits(),
        per_day=10,
        days=14,
        max_bytes=2**30,
        text="refuse",
    )


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_over_is_forgotten_once_the_tables_are_there(postgres, caplog):
    keeper = keeper_of(postgres)
    keeper.start()
    until(lambda: "not forgotten yet: ProgrammingError" in caplog.text)
    migrate(postgres)
    now = datetime.now(UTC)
    over = KeptImage("ab" * 32, "r", now, now - timedelta(seconds=1), "sample", 0.5)
    keep_image(postgres, over, b"pixels", per_day=10, max_bytes=2**20)
    until(lambda: read_kept(postgres) == [])
    keeper.stop()
    assert caplog.text.count("not forgotten yet") == 1


def test_a_database_that_hangs_holds_no_stop_up(tmp_path, tiny_bundle, monkeypatch):
    monkeypatch.setattr("serving.review_keeper._STOP_SECONDS", 0.5)
    database = open_database(f"sqlite:///{tmp_path}/vigie.db")
    migrate(database)
    keeper, session = keeper_of(database), ModelSession.open(tiny_bundle)
    with writing(database):  # nobody else may write
        keeper.start()
        for seed in range(2):
            file = png(NORMAL, seed=seed)
            finding = examine_file(file, session, DecodeLimits(), explain=False)
            keeper.offer(file, str(seed), finding)
            time.sleep(0.2)
        started = time.monotonic()
        keeper.stop()
        assert time.monotonic() - started < 5


def test_a_database_that_is_away_costs_no_answer(start_app):
    client = start_app(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    assert client.post("/predict", files={"file": png(NORMAL)}).status_code == 200
    wait_for(client, "dropped")
