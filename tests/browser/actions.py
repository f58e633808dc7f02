"""What a person does on the page."""

import io
from typing import TYPE_CHECKING

from PIL import Image

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
