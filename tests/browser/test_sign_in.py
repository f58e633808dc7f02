"""A server that asks for keys, and a person who has one."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ml.contract.api_keys import KeyRing, issue, write_keys
from tests.browser.actions import answered, choose, picture
from tests.browser.test_accessibility import violations
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.server_process import ServerProcess

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def keys() -> tuple[str, KeyRing]:
    made, kept = issue("ward", ["predict", "feedback"], now=datetime.now(UTC))
    return made, KeyRing([kept])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, keys: tuple[str, KeyRing]) -> Iterator[str]:
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("bundle"))
    home = tmp_path_factory.mktemp("home")
    write_keys(home / "secrets" / "api-keys.json", keys[1])
    with ServerProcess(
        home, "--bundle", str(bundle), environment={"VIGIE_ENGINE": "onnxruntime"}
    ) as server:
        server.wait_until_ready()
        yield server.url


def sign_in(page: "Page", key: str) -> None:
    page.get_by_role("textbox", name="Key").fill(key)
    page.get_by_role("button", name="Use this key").click()


def test_the_page_asks_once_and_then_works(page: "Page", keys: tuple[str, KeyRing]) -> None:
    sign_in(page, keys[0])
    page.locator("#model[data-state=ready]").wait_for()
    card = answered(page)
    assert card.locator(".label").text_content() == "malignant"
    card.get_by_text("Correct this answer").click()
    card.get_by_label("benign").check()
    card.get_by_label("Your name").fill("Dr. Amal")
    card.get_by_role("button", name="Save correction").click()
    card.get_by_text("Saved. Thank you.").wait_for()
    assert not page.locator("#sign-in").is_visible()
    assert keys[0] not in page.content()


def test_a_wrong_key_is_told_and_another_one_accepted(
    page: "Page", keys: tuple[str, KeyRing]
) -> None:
    sign_in(page, "vigie_wrong")
    page.get_by_text("was not accepted").wait_for()
    sign_in(page, keys[0])
    page.locator("#model[data-state=ready]").wait_for()


def test_whoever_declines_is_asked_again_only_for_an_image(
    page: "Page", keys: tuple[str, KeyRing]
) -> None:
    page.get_by_role("button", name="Not now").click()
    page.locator("#model[data-state=away]").wait_for()
    page.evaluate("import('/static/api.js').then(api => api.currentModel(false)).catch(() => null)")
    assert not page.locator("#sign-in").is_visible()
    choose(page, ("a.png", picture()))
    sign_in(page, keys[0])
    page.locator(".answer:visible").wait_for()


def test_the_key_ends_with_the_tab(page: "Page", keys: tuple[str, KeyRing]) -> None:
    sign_in(page, keys[0])
    page.locator("#model[data-state=ready]").wait_for()
    assert page.evaluate("localStorage.length + document.cookie.length") == 0
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("dialog").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_question_has_no_fault(page: "Page", scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    sign_in(page, "vigie_wrong")
    page.get_by_text("was not accepted").wait_for()
    assert violations(page) == []
