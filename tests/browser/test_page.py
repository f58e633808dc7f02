import io
import json
import re
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from tests.browser.actions import answered, choose, picture

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


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
    assert card.locator(".reasons").inner_text() == "Unusual image quality: contrast"
    page.get_by_role("log").get_by_text("refer to a person: Unusual image quality").wait_for()


def test_reasons_are_words_and_unknown_ones_are_kept(page: "Page") -> None:
    reasons = [
        "low confidence",
        "close to the malignant threshold",
        *(f"image quality: {name} out of range" for name in ("std", "sharpness", "black share")),
    ]
    words = page.evaluate(
        "reasons => import('/static/reasons.js').then(all => all.inWords(reasons))", reasons
    )
    assert words == [
        "Low confidence: no label is likely enough",
        "close to the malignant threshold",
        "Unusual image quality: spread of greys, sharpness, and black areas",
    ]


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
    assert heat.evaluate("image => image.complete && image.naturalWidth") == 64
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


def test_the_labels_that_are_possible_are_named(page: "Page") -> None:
    assert answered(page).locator(".set").inner_text() == "Possible labels: malignant"


def test_what_a_browser_cannot_show_is_shown_with_its_answer(page: "Page") -> None:
    path = get_testdata_file("MR_small.dcm", download=False)
    assert path is not None
    for name, content in (
        ("study.dcm", Path(str(path)).read_bytes()),
        ("a.tiff", picture(kind="TIFF")),
    ):
        card = answered(page, name, content)
        assert card.locator(".placeholder").is_hidden()
        shown = card.locator(".picture")
        assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        assert shown.get_attribute("alt") == f"The image {name}"
        assert card.locator(".heat").is_visible()


def test_a_dicom_file_has_a_placeholder_until_then(page: "Page") -> None:
    page.route("**/predict?*", lambda route: None)  # the answer never comes
    choose(page, ("study.dcm", b"\0" * 128 + b"DICM"))
    placeholder = page.locator(".card .placeholder:visible")
    placeholder.wait_for()
    assert placeholder.inner_text().split("\n") == ["DICOM", "Shown with its answer"]


def test_an_unreadable_file_says_what_to_do_and_spoils_no_other(page: "Page") -> None:
    choose(page, ("letter.png", b"Dear colleague"), ("fine.png", picture()))
    bad = page.locator(".card", has_text="letter.png")
    bad.locator(".problem").wait_for()
    assert "Send one of these four types" in bad.locator(".problem").inner_text()
    assert bad.get_by_role("button", name="Try again").is_hidden()  # it would fail again
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


def test_an_image_can_be_pasted(page: "Page") -> None:
    page.evaluate(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "pasted.png"));
            const init = { clipboardData: transfer, bubbles: true };
            document.body.dispatchEvent(new ClipboardEvent("paste", init));
        }""",
        list(picture()),
    )
    page.locator(".card", has_text="pasted.png").locator(".answer").wait_for()


def test_a_busy_server_is_asked_again_when_it_says(page: "Page") -> None:
    problem = {"title": "Too many images are waiting", "detail": "64 wait.", "remedy": "Wait."}
    tries: list[str] = []

    def busy_once(route: "Route") -> None:
        tries.append(route.request.url)
        if len(tries) > 1:
            route.continue_()
            return
        route.fulfill(status=429, headers={"Retry-After": "1"}, body=json.dumps(problem))

    page.route("**/predict?*", busy_once)
    choose(page, ("a.png", picture()))
    page.get_by_text("The server is busy; asking again in 1 s…").wait_for()
    page.locator(".answer:visible").wait_for()
    assert len(tries) == 2


def test_an_unreachable_server_is_a_problem_that_can_be_tried_again(page: "Page") -> None:
    page.route("**/predict?*", lambda route: route.abort())
    choose(page, ("a.png", picture()))
    page.get_by_text("The server does not answer").first.wait_for()
    page.unroute("**/predict?*")
    page.get_by_role("button", name="Try again").click()
    page.locator(".answer:visible").wait_for()


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


def test_all_answers_can_be_cleared(page: "Page") -> None:
    answered(page)
    page.get_by_role("button", name="Clear all").click()
    assert page.locator(".card").count() == 0
    assert page.locator("#answers").is_hidden()


def test_the_page_says_what_it_is_not_for(page: "Page") -> None:
    answered(page)
    page.evaluate("window.scrollTo(0, 0)")
    place = page.locator("footer").bounding_box()
    assert place is not None
    assert place["y"] + place["height"] <= 900  # in sight without scrolling
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
