import io
import json
import re
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from tests.fakes.tiny_bundle import tiny_pixels

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def picture(level: int = 245, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tiny_pixels(level, height=240, width=320)).save(buffer, kind)
    return buffer.getvalue()


def choose(page: "Page", *files: tuple[str, bytes]) -> None:
    page.locator("#files").set_input_files(
        [{"name": name, "mimeType": "", "buffer": content} for name, content in files]
    )


def answered(page: "Page", name: str = "a.png", content: bytes | None = None) -> "Locator":
    """The card of an image once its answer is there."""
    choose(page, (name, content or picture()))
    card = page.locator(".card", has_text=name)
    card.locator(".answer").wait_for()
    return card


def test_an_image_gets_its_label_probabilities_and_decision(page: "Page") -> None:
    card = answered(page)
    assert card.locator(".label").text_content() == "malignant"
    names = card.locator(".bar-name").all_inner_texts()
    assert names == ["normal", "benign", "malignant"]
    shares = [text.strip("<> %") for text in card.locator(".bar-value").all_inner_texts()]
    assert sum(map(float, shares)) == pytest.approx(100, abs=0.4)
    assert card.locator(".bar-chosen .bar-name").inner_text() == "malignant"
    assert card.locator(".decision").get_attribute("data-action") == "report"


def test_a_referred_image_says_why(page: "Page") -> None:
    flat = io.BytesIO()
    Image.new("L", (64, 64), 128).save(flat, "PNG")
    card = answered(page, "flat.png", flat.getvalue())
    assert "Refer to a person" in card.locator(".decision").inner_text()
    assert "image quality: contrast out of range" in card.locator(".reasons").inner_text().lower()


def test_the_answer_names_model_bundle_and_time(page: "Page", site: str) -> None:
    with urllib.request.urlopen(f"{site}/model") as response:
        model = json.load(response)
    facts = answered(page).locator(".facts").inner_text()
    assert f"version {model['version']}" in facts
    assert model["bundle"][:12] in facts
    assert re.search(r"\d+ ms", facts)
    page.locator("#model[data-state=ready]").wait_for()
    assert f"version {model['version']}" in page.locator("#model").inner_text()


def test_the_heat_map_fades_with_its_slider(page: "Page") -> None:
    card = answered(page)
    heat, slider = card.locator(".heat"), card.get_by_label("Heat map")
    assert heat.evaluate("image => image.complete && image.naturalWidth") == 320
    assert heat.bounding_box() == card.locator(".picture").bounding_box()
    slider.focus()
    page.keyboard.press("Home")
    assert heat.evaluate("image => image.style.opacity") == "0"
    page.keyboard.press("End")
    assert heat.evaluate("image => image.style.opacity") == "1"
    assert card.locator(".blend-value").inner_text() == "100%"


def test_several_images_get_a_card_each(page: "Page") -> None:
    choose(page, ("dark.png", picture(10)), ("grey.jpg", picture(128, "JPEG")))
    page.locator(".answer:visible").nth(1).wait_for()
    labels = {
        card.locator(".file-name").inner_text(): card.locator(".label").text_content()
        for card in page.locator(".card").all()
    }
    assert labels == {"dark.png": "normal", "grey.jpg": "benign"}


def test_a_dicom_file_has_a_placeholder_and_an_answer(page: "Page") -> None:
    path = get_testdata_file("MR_small.dcm", download=False)
    assert path is not None
    card = answered(page, "study.dcm", Path(str(path)).read_bytes())
    assert card.locator(".placeholder-type").inner_text() == "DICOM"
    assert card.locator(".picture").is_hidden()
    assert card.locator(".heat").is_visible()


def test_an_unreadable_file_says_what_to_do_and_spoils_no_other(page: "Page") -> None:
    choose(page, ("letter.png", b"Dear colleague"), ("fine.png", picture()))
    bad = page.locator(".card", has_text="letter.png")
    bad.locator(".problem").wait_for()
    assert "Send one of these four types" in bad.locator(".problem").inner_text()
    page.locator(".card", has_text="fine.png").locator(".answer").wait_for()


def test_an_image_can_be_dropped_anywhere_on_the_page(page: "Page") -> None:
    page.evaluate(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png"));
            const where = document.querySelector("footer");
            for (const kind of ["dragover", "drop"]) {
                const init = { dataTransfer: transfer, bubbles: true, cancelable: true };
                where.dispatchEvent(new DragEvent(kind, init));
            }
        }""",
        list(picture()),
    )
    page.locator(".card", has_text="dropped.png").locator(".answer").wait_for()


def test_a_file_name_never_leaves_the_browser(page: "Page") -> None:
    page.evaluate(
        """() => {
            const send = window.fetch;
            window.names = [];
            window.fetch = (url, options) => {
                if (options?.body instanceof FormData) {
                    window.names.push(...[...options.body.values()].map(file => file.name));
                }
                return send(url, options);
            };
        }"""
    )
    answered(page, "Nour-1970.png")
    assert page.evaluate("window.names") == ["image"]


def test_a_correction_is_stored(page: "Page") -> None:
    card = answered(page)
    card.get_by_text("Correct this answer").click()
    card.get_by_label("benign").check()
    card.get_by_label("Your name").fill("Dr. Amal")
    card.get_by_label("Comment").fill("smooth margin")
    with page.expect_response("**/feedback") as response:
        card.get_by_role("button", name="Save correction").click()
    assert response.value.status == 201
    request_id = card.locator(".facts dd").last.inner_text()
    assert response.value.json()["request_id"] == request_id
    card.get_by_text("Saved. Thank you.").wait_for()


def test_a_correction_without_label_or_name_is_not_sent(page: "Page") -> None:
    card = answered(page)
    card.get_by_text("Correct this answer").click()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    card.get_by_role("button", name="Save correction").click()
    assert sent == []
    assert card.locator("form").evaluate("form => form.checkValidity()") is False


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


def test_answers_are_spoken(page: "Page") -> None:
    answered(page, "spoken.png")
    assert page.locator("[aria-live=polite]").inner_text() == "spoken.png: malignant, report."


def test_every_control_has_a_name(page: "Page") -> None:
    card = answered(page)
    card.get_by_text("Correct this answer").click()
    nameless = page.locator("input:visible, textarea:visible, button:visible").evaluate_all(
        "all => all.filter(e => !(e.labels?.length || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert nameless == []
    assert page.locator("img:not([alt])").count() == 0


def test_all_answers_can_be_cleared(page: "Page") -> None:
    answered(page)
    page.get_by_role("button", name="Clear all").click()
    assert page.locator(".card").count() == 0
    assert page.locator("#answers").is_hidden()


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_at_any_width(page: "Page", width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    card = answered(page, "a-rather-long-file-name-" * 4 + ".png")
    card.get_by_text("Correct this answer").click()
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0


def test_the_page_says_what_it_is_not_for(page: "Page") -> None:
    text = page.locator("footer").inner_text()
    assert "Research and education only." in text
    assert "Not a diagnosis, not for clinical use." in text


def test_nothing_is_loaded_from_elsewhere(page: "Page", site: str) -> None:
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.reload()
    answered(page)
    outside = [url for url in seen if not url.startswith((site, "data:", "blob:"))]
    assert outside == []
