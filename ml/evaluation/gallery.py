"""Test images to look at: what was answered, and where the answer came from.

Such a page holds pixels of patients. It stays where the images are.
"""

import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.contract.decoding import Pixels
from ml.evaluation.html_page import page, png_uri

Floats = npt.NDArray[np.floating]
_SIDE, _GAP = 200, 4
_ID_CHARACTERS = 12
_OPACITY = 0.55
_STYLE = """
main { max-width: 76rem; }
.cards { display: flex; flex-wrap: wrap; gap: 1.2rem; }
figure { margin: 0; }
.views { display: flex; flex-wrap: wrap; gap: 4px; }
.views div { font-size: .75rem; color: #52606d; }
.views img { margin: 0; }
figcaption { font-size: .82rem; line-height: 1.4; margin-top: .3rem; }
.wrong { color: #b54708; font-weight: 600; }
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image with its answer.

    Args:
        image: from `thumbnail`, so that a page of large images stays small.
        maps: label → its activation map (rows, columns), in any unit.
        facts: lines under the picture, e.g. the reasons of a referral.
    """

    image_id: str
    truth: str
    answer: str
    probability: float
    image: Image.Image
    maps: dict[str, Floats]
    facts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Pictures under one heading."""

    title: str
    note: str
    pictures: Sequence[Picture]


def render_gallery(title: str, note: str, sections: Iterable[Section]) -> str:
    """One self-contained HTML page; a section without pictures says so."""
    return page(
        title,
        f"<h1>{html.escape(title)}</h1>\n<blockquote><p>Pixels of patients: this file stays on "
        f"this machine.</p></blockquote>\n<p>{html.escape(note)}</p>\n"
        + "".join(_section(section) for section in sections),
        _STYLE,
    )


def thumbnail(pixels: Pixels) -> Image.Image:
    """The image in its own proportions, RGB, at most 200 pixels a side.

    Args:
        pixels: uint8, (height, width) or (height, width, 3).
    """
    image = Image.fromarray(pixels).convert("RGB")
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return image


def overlay(image: Image.Image, activation: Floats) -> Image.Image:
    """An activation map over its image, dark to bright by the map's own range.

    Colours are `inferno` (Smith & van der Walt 2015), readable without colour vision; where the
    map is low the image shows through.

    Args:
        activation: (rows, columns), stretched over the whole image as the model's grid is.
    """
    low, high = float(activation.min()), float(activation.max())
    scaled = np.zeros(activation.shape, np.float32)
    if high > low:
        scaled = ((activation - low) / (high - low)).astype(np.float32)
    smooth = Image.fromarray(scaled).resize(image.size, Image.Resampling.BICUBIC)
    heat = np.clip(np.asarray(smooth), 0, 1)
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    opacity = (_OPACITY * heat)[..., np.newaxis]
    blended = np.asarray(image) * (1 - opacity) + colours * opacity
    return Image.fromarray(np.round(blended).astype(np.uint8))


def _section(section: Section) -> str:
    cards = "".join(_card(picture) for picture in section.pictures)
    return (
        f"<h2>{html.escape(section.title)}</h2>\n<p>{html.escape(section.note)}</p>\n"
        f'<div class="cards">{cards or "<p>None.</p>"}</div>\n'
    )


def _card(picture: Picture) -> str:
    views = [_view(picture.image)]
    views += [
        _view(overlay(picture.image, activation), f"for {label}")
        for label, activation in picture.maps.items()
    ]
    width = len(views) * (_SIDE + _GAP)
    wrong = "" if picture.answer == picture.truth else ' class="wrong"'
    facts = "".join(f"<br>{html.escape(fact)}" for fact in picture.facts)
    return (
        f'<figure style="max-width: {width}px"><div class="views">{"".join(views)}</div>'
        f'<figcaption><code title="{html.escape(picture.image_id)}">'
        f"{html.escape(picture.image_id[:_ID_CHARACTERS])}</code><br><span{wrong}>"
        f"{html.escape(picture.answer)} {picture.probability:.2f}</span>, truth "
        f"{html.escape(picture.truth)}{facts}</figcaption></figure>\n"
    )


def _view(image: Image.Image, caption: str = "") -> str:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return (
        f'<div><img src="{png_uri(file.getvalue())}" width="{image.width}" '
        f'height="{image.height}" alt="{html.escape(caption)}"><br>{html.escape(caption)}</div>'
    )
