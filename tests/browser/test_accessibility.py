"""axe-core over the page in all its states, in both colour schemes and widths."""

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.browser.actions import answered, choose

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")


def violations(page: "Page") -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    page.wait_for_timeout(250)  # colours fade in; halfway they have another contrast
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['impact']} {fault['id']}: {[node['html'] for node in fault['nodes']]}"
        for fault in found
    ]


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest, page: "Page") -> str:
    page.emulate_media(color_scheme=request.param)
    return str(request.param)


@pytest.fixture(params=[390, 1280])
def width(request: pytest.FixtureRequest, page: "Page") -> int:
    page.set_viewport_size({"width": request.param, "height": 844})
    return int(request.param)


def test_the_check_sees_a_fault(page: "Page") -> None:
    page.locator("h1").evaluate("title => { title.style.color = '#ddd'; }")
    assert [fault.split(":")[0] for fault in violations(page)] == ["serious color-contrast"]


@pytest.mark.usefixtures("scheme", "width")
def test_the_page_without_an_answer_has_no_fault(page: "Page") -> None:
    page.locator("#model[data-state=ready]").wait_for()
    assert violations(page) == []


@pytest.mark.usefixtures("scheme", "width")
def test_answers_referrals_and_corrections_have_no_fault(page: "Page") -> None:
    flat = io.BytesIO()
    Image.new("L", (64, 64), 128).save(flat, "PNG")
    answered(page, "flat.png", flat.getvalue())
    card = answered(page)
    card.get_by_text("Correct this answer").click()
    card.get_by_label("benign").check()
    card.get_by_label("Your name").fill("Dr. Amal")
    card.get_by_role("button", name="Save correction").click()
    card.get_by_text("Saved. Thank you.").wait_for()
    assert violations(page) == []


@pytest.mark.usefixtures("scheme", "width")
def test_problems_have_no_fault(page: "Page") -> None:
    choose(page, ("letter.png", b"Dear colleague"))
    page.locator(".problem:visible").wait_for()
    page.route("**/predict?*", lambda route: route.abort())
    choose(page, ("a.png", b"\x89PNG"))
    page.get_by_role("button", name="Try again").wait_for()
    assert violations(page) == []
