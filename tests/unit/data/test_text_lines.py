from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ml.data.phantoms.anatomy import draw_anatomy
from ml.data.phantoms.render import render_phantom
from ml.data.phantoms.scanners import SCANNERS
from ml.data.text_lines import count_text_lines

BUSI = Path(__file__).resolve().parents[4] / "shared" / "data" / "busi"
LINES = ("DOE JANE", "Muster, Erika", "ID 4711234", "12.03.1961", "SMITH^MARY", "F 47Y 20240531")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _noise(height: int = 200, width: int = 260) -> np.ndarray:
    rng = np.random.default_rng(4)
    return np.clip(rng.normal(70, 20, (height, width)), 0, 255).astype(np.uint8)


def _with_text(pixels: np.ndarray, text: str, size: int, *, at: tuple[int, int], level: int):
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).text(at, text, fill=level, font=_font(size))
    return np.asarray(image)


@pytest.mark.parametrize("text", LINES)
@pytest.mark.parametrize("size", [12, 18, 24])
def test_a_line_of_text_is_seen(text: str, size: int) -> None:
    assert count_text_lines(_with_text(_noise(), text, size, at=(5, 5), level=255)) > 0


def test_dark_text_on_a_light_bar_is_seen_and_so_is_coloured_text() -> None:
    barred = _noise()
    barred[:30] = 220
    assert count_text_lines(_with_text(barred, "DOE JANE", 16, at=(4, 4), level=10)) > 0
    coloured = np.repeat(_noise()[..., None], 3, axis=2)
    image = Image.fromarray(coloured)
    ImageDraw.Draw(image).text((5, 5), "DOE JANE", fill=(255, 255, 0), font=_font(16))
    assert count_text_lines(np.asarray(image)) > 0


def test_text_on_a_large_image_is_seen() -> None:
    large = _with_text(_noise(2400, 3000), "DOE JANE 12.03.1961", 48, at=(60, 2300), level=255)
    assert count_text_lines(large) > 0


@pytest.mark.parametrize(
    "pixels",
    [
        _noise(),
        np.zeros((200, 200), np.uint8),
        np.zeros((1, 1), np.uint8),
        np.zeros((3, 4000), np.uint8),
        np.tile(np.repeat(np.array([0, 255], np.uint8), 40), (200, 3)),
        np.random.default_rng(1).integers(0, 2, (300, 300), dtype=np.uint8) * np.uint8(255),
    ],
)
def test_nothing_is_seen_where_there_is_no_text(pixels: np.ndarray) -> None:
    assert count_text_lines(pixels) == 0


def test_phantoms_carry_no_text() -> None:
    for number in range(20):
        rng = np.random.default_rng(number)
        anatomy = draw_anatomy(rng)
        scanner = SCANNERS[number % len(SCANNERS)]
        assert count_text_lines(render_phantom("malignant", rng, scanner, anatomy=anatomy)) == 0


@pytest.mark.realdata
@pytest.mark.skipif(not BUSI.is_dir(), reason=f"the BUSI images are not at {BUSI}")
def test_text_in_real_ultrasound_images_is_seen_and_little_else() -> None:
    """A fifth of these images carry text: sites of the breast, names of scanners."""
    rng = np.random.default_rng(11)
    plain = seen = 0
    files = sorted(BUSI.rglob("*.png"))[::4]
    for path in files:
        pixels = np.asarray(Image.open(path).convert("L"))
        if count_text_lines(pixels):
            continue
        plain += 1
        size, text = int(rng.choice([12, 14, 18, 24])), str(rng.choice(LINES))
        at = (int(rng.integers(0, 60)), int(rng.choice([3, 225])))
        seen += count_text_lines(_with_text(pixels, text, size, at=at, level=255)) > 0
    assert plain / len(files) > 0.8
    assert seen / plain > 0.9
