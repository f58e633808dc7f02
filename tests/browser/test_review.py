"""A person with a key who labels what production was asked about."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import Engine

from ml.contract.api_keys import KeyRing, issue, write_keys
from ml.journey.review_queue import queue
from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from ml.store.database import open_database, writing
from ml.store.feedback import read_feedback
from ml.store.review_images import read_kept
from ml.store.review_queue import read_queue
from ml.store.tables import FEEDBACK, REVIEW
from tests.browser.actions import picture
from tests.browser.test_accessibility import violations
from tests.browser.test_sign_in import sign_in
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.server_process import ServerProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = 4
PARAMS = load_params(
    PROJECT_ROOT / "params.toml", overrides=["review.text_seen=warn", "review.random=4"]
)


@pytest.fixture(scope="module")
def keys() -> tuple[str, KeyRing]:
    made, kept = issue("Dr. Amal", ["predict", "review"], now=datetime.now(UTC))
    return made, KeyRing([kept])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def database(home: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{home}/vigie.db")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    keys: tuple[str, KeyRing],
    home: Path,
    database: Engine,
) -> Iterator[str]:
    """A server that was asked about some images, and kept them."""
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("bundle"))
    write_keys(home / "secrets" / "api-keys.json", keys[1])
    with ServerProcess(
        home, "--bundle", str(bundle), environment={"VIGIE_ENGINE": "onnxruntime"}
    ) as server:
        server.wait_until_ready()
        for number in range(IMAGES):
            answer = httpx.post(
                f"{server.url}/predict",
                files={"file": picture(60 + 50 * number)},
                headers={"X-API-Key": keys[0]},
            )
            assert answer.status_code == 200
            server.wait_until(lambda count=number: len(read_kept(database)) > count)
        yield server.url


@pytest.fixture
def waiting(site: str, home: Path, database: Engine) -> Engine:
    """The same images, queued anew."""
    with writing(database) as connection:
        connection.execute(REVIEW.delete())
        connection.execute(FEEDBACK.delete())
    deadline = time.monotonic() + 20
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    while len(read_queue(database)) < IMAGES:
        assert time.monotonic() < deadline
        queue(workspace, PARAMS)
    return database


@pytest.fixture
def page(
    browser: "Browser", site: str, waiting: Engine, keys: tuple[str, KeyRing]
) -> Iterator["Page"]:
    """The review page, signed in; whatever the browser complains about fails the test."""
    assert waiting is not None
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    page.goto(f"{site}/review")
    sign_in(page, keys[0])
    page.locator("#picture:visible").wait_for()
    yield page
    context.close()
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def progress(page: "Page", text: str) -> None:
    page.locator("#progress", has_text=text).wait_for()


def press(page: "Page", key: str, then: str) -> None:
    """Press a key and wait for what is spoken."""
    page.keyboard.press(key)
    page.locator("#news", has_text=then).wait_for(state="attached")


def label_all(page: "Page", until: int, *, begun: int = 0) -> None:
    """Label images as benign, one after the other."""
    for number in range(begun, until):
        page.keyboard.press("2")
        progress(page, f"{number + 1} labelled today")


def shown(page: "Page") -> str:
    """The picture in sight, by its address in this tab."""
    return str(page.locator("#picture").get_attribute("src"))


def test_images_are_labelled_by_keys_one_at_a_time(page: "Page", waiting: Engine) -> None:
    progress(page, "0 labelled today · 4 waiting")
    for number, (key, name) in enumerate([("1", "normal"), ("2", "benign"), ("3", "malignant")]):
        before = shown(page)
        press(page, key, f"Labelled {name}.")
        progress(page, f"{number + 1} labelled today · {3 - number} waiting")
        assert shown(page) != before
    press(page, "2", "Nothing waits for you.")
    page.get_by_text("New images are chosen every hour.").wait_for()
    labels = read_feedback(waiting)
    assert [each.label for each in labels] == ["normal", "benign", "malignant", "benign"]
    assert {(each.author, each.blinded, each.source) for each in labels} == {
        ("Dr. Amal", True, "sample")
    }


def test_the_models_answer_is_shown_only_afterwards_and_that_is_noted(
    page: "Page", waiting: Engine
) -> None:
    answers = {item.review_id: item.evidence["answer"] for item in read_queue(waiting)}
    sent: list[str] = []
    page.on("response", lambda response: sent.append(response.url))
    page.keyboard.press("r")
    assert page.locator("#answer").is_hidden()
    press(page, "2", "Labelled benign.")
    assert not any(url.endswith("/reveal") for url in sent)
    press(page, "b", "An earlier image, labelled benign.")
    press(page, "r", "The model said")
    (item,) = [item for item in read_queue(waiting) if item.state == "labelled"]
    assert page.locator("#answer-label").inner_text().startswith(str(answers[item.review_id]))
    assert "You were asked because chance chose it." in page.locator("#answer-why").inner_text()
    assert item.revealed_at is not None
    assert item.is_blinded
    press(page, "n", "The image to label.")
    assert page.locator("#answer").is_hidden()


def test_a_label_that_is_given_again_after_the_answer_is_not_blinded(
    page: "Page", waiting: Engine
) -> None:
    press(page, "1", "Labelled normal.")
    press(page, "b", "An earlier image")
    press(page, "r", "The model said")
    press(page, "u", "The label was taken back.")
    assert read_feedback(waiting) == []
    press(page, "3", "Labelled malignant.")
    (feedback,) = read_feedback(waiting)
    assert (feedback.label, feedback.blinded) == ("malignant", False)


def test_a_skipped_image_comes_last(page: "Page") -> None:
    before = shown(page)
    page.keyboard.press("s")
    page.wait_for_function(
        "before => document.getElementById('picture').src !== before", arg=before
    )
    label_all(page, 3)
    progress(page, "3 labelled today · 1 waiting")
    assert page.locator("#picture").is_visible()


def test_undo_brings_the_last_image_back(page: "Page", waiting: Engine) -> None:
    press(page, "2", "Labelled benign.")
    press(page, "u", "The label was taken back.")
    progress(page, "0 labelled today · 4 waiting")
    assert read_feedback(waiting) == []
    press(page, "1", "Labelled normal.")
    assert [each.label for each in read_feedback(waiting)] == ["normal"]


def test_everything_can_be_done_with_a_pointer(page: "Page", waiting: Engine) -> None:
    page.get_by_role("button", name="malignant").click()
    progress(page, "1 labelled today")
    page.get_by_role("button", name="Back").click()
    page.get_by_role("button", name="Show it").click()
    page.locator("#answer:visible").wait_for()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Undo").click()
    progress(page, "0 labelled today")
    assert read_feedback(waiting) == []


def test_keys_can_be_switched_off(page: "Page", waiting: Engine) -> None:
    page.get_by_label("Answer with keys").uncheck()
    page.keyboard.press("2")
    page.get_by_label("Answer with keys").check()
    press(page, "1", "Labelled normal.")
    assert [each.label for each in read_feedback(waiting)] == ["normal"]


def test_what_another_labelled_meanwhile_is_told(page: "Page", waiting: Engine) -> None:
    with writing(waiting) as connection:
        connection.execute(REVIEW.update().values(held_by="Dr. Nour"))
    page.keyboard.press("2")
    page.locator("#problem", has_text="There is no such thing").wait_for()
    assert read_feedback(waiting) == []


def test_pixels_stay_out_of_caches_addresses_and_the_document(page: "Page") -> None:
    assert shown(page).startswith("blob:")
    assert "data:image" not in page.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_has_no_fault_in_any_state(page: "Page", scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    assert violations(page) == []
    press(page, "2", "Labelled benign.")
    press(page, "b", "An earlier image")
    press(page, "r", "The model said")
    assert violations(page) == []
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    press(page, "n", "The image to label.")
    label_all(page, 4, begun=1)
    page.get_by_text("Nothing waits for you.").first.wait_for()
    assert violations(page) == []
