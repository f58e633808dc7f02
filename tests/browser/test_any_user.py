"""The page by keyboard, by screen reader, and on any screen."""

from typing import TYPE_CHECKING

import pytest

from tests.browser.actions import answered, choose, picture

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_keyboard_reaches_everything(page: "Page") -> None:
    answered(page)
    page.locator("body").evaluate("body => body.ownerDocument.activeElement.blur()")
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("(() => { const e = document.activeElement;"
                          " return e.id.replace(/card-\\d+-/, '') || e.tagName; })()")
        )  # fmt: skip
    assert {"files", "clear", "blend", "SUMMARY"} <= set(reached)


def test_the_keyboard_alone_sends_an_image_and_a_correction(page: "Page") -> None:
    def tab_to(selector: str) -> None:
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("what => document.activeElement.matches(what)", selector):
                return
        raise AssertionError(f"Tab does not reach {selector}")

    with page.expect_file_chooser() as chooser:  # listens before the key can open it
        tab_to("#files")
        page.keyboard.press("Enter")
    chooser.value.set_files([{"name": "a.png", "mimeType": "", "buffer": picture()}])
    page.locator(".answer:visible").wait_for()
    tab_to(".blend-range")
    page.keyboard.press("ArrowRight")
    assert page.locator(".blend-value").inner_text() == "55%"
    tab_to("summary")
    page.keyboard.press("Enter")
    tab_to("[type=radio]")
    page.keyboard.press("ArrowDown")
    tab_to(".author")
    page.keyboard.type("Dr. Amal")
    page.keyboard.press("Enter")
    page.get_by_text("Saved. Thank you.").wait_for()


def test_answers_and_problems_are_spoken(page: "Page") -> None:
    answered(page, "spoken.png")
    choose(page, ("letter.png", b"Dear colleague"))
    page.locator(".problem:visible").wait_for()
    spoken = page.get_by_role("log").locator("p").all_inner_texts()
    assert "spoken.png: malignant, report." in spoken
    assert spoken[-1].startswith("letter.png: The type is not supported. ")


def test_every_control_has_a_name(page: "Page") -> None:
    card = answered(page)
    card.get_by_text("Correct this answer").click()
    nameless = page.locator("input:visible, textarea:visible, button:visible").evaluate_all(
        "all => all.filter(e => !(e.labels?.length || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert nameless == []
    assert page.locator("img:not([alt])").count() == 0


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_at_any_width(page: "Page", width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    card = answered(page, "a-rather-long-file-name-" * 4 + ".png")
    card.get_by_text("Correct this answer").click()
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
