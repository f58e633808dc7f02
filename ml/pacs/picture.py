"""A finding as a picture: the image beside itself with its heat map, under what was found."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ml.contract.decoding import Pixels
from ml.pacs.names import WARNING, software
from ml.pacs.results import ImageFinding

_LEAST_SIDE, _MOST_SIDE = 360, 768
_GAP = 8
_SURE = 0.995
_HEAT_SHARE = 0.4
_TEXT_SHARE, _LEAST_TEXT = 0.028, 13.0
_ORANGE, _WHITE, _GREY = "#ffb000", "white", "#b0b0b0"
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
PURPOSE = f"{WARNING}. Research and education only."


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    colour: str
    size: float = 1.0


def draw_finding(pixels: Pixels, finding: ImageFinding, *, of: str) -> npt.NDArray[np.uint8]:
    """The picture, uint8 RGB (height, width, 3).

    Text stands in the middle, as viewers write over the corners, and the warning both above and
    below the image, as pictures are cropped. Images are enlarged to carry the text, or reduced to
    what a screen shows.

    Args:
        pixels: uint8, (height, width) or (height, width, 3), as the model saw them.
        of: which image it is, in words.
    """
    image = _resized(Image.fromarray(pixels).convert("RGB"))
    count = 1 if finding.heat_map is None else 2
    width = count * image.width + (count - 1) * _GAP
    size = max(_LEAST_TEXT, _TEXT_SHARE * width)
    rows = [_text(_banner(finding, of), width, size)]
    if finding.heat_map is None:
        rows.append(image)
    else:
        captions = ("the image", f"coloured: what speaks for {finding.label}")
        rows.append(_beside(image, _heated(image, finding.heat_map)))
        rows.append(
            _beside(*(_text([_Line(text, _GREY, 0.8)], image.width, size) for text in captions))
        )
    rows.append(_text([_Line(PURPOSE, _ORANGE)], width, size))
    picture = Image.new("RGB", (width, sum(row.height for row in rows)))
    top = 0
    for row in rows:
        picture.paste(row, (0, top))
        top += row.height
    return np.asarray(picture)


def _banner(finding: ImageFinding, of: str) -> list[_Line]:
    found = finding.probabilities[finding.label]
    ranked = sorted(finding.probabilities.items(), key=lambda item: -item[1])
    others = [f"{label} {_percent(share)}" for label, share in ranked if label != finding.label]
    return [
        _Line(WARNING, _ORANGE, 1.2),
        _Line(f"{finding.label} {_percent(found)}", _WHITE, 1.4),
        _Line(", ".join(others), _WHITE),
        _Line(": ".join([finding.advice, "; ".join(finding.reasons)]).removesuffix(": "), _WHITE),
        _Line(f"{software(finding.model, finding.version)} on {of}", _GREY),
    ]


def _percent(share: float) -> str:
    """No model is entirely sure."""
    return ">99%" if share > _SURE else "<1%" if share < 1 - _SURE else f"{share:.0%}"


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + _GAP + right.width, max(left.height, right.height)))
    both.paste(left, (0, 0))
    both.paste(right, (left.width + _GAP, 0))
    return both


def _resized(image: Image.Image) -> Image.Image:
    factor = max(_LEAST_SIDE / image.width, 1.0)
    factor = min(factor, _MOST_SIDE / max(image.size))
    if factor == 1:
        return image
    return image.resize((round(image.width * factor), round(image.height * factor)))


def _heated(image: Image.Image, heat_map: bytes) -> Image.Image:
    heat = Image.open(io.BytesIO(heat_map)).convert("RGBA").resize(image.size)
    heat.putalpha(heat.getchannel("A").point(lambda value: int(_HEAT_SHARE * value)))
    heated = image.copy()
    heated.paste(heat, mask=heat)
    return heated


def _text(lines: Sequence[_Line], width: int, size: float) -> Image.Image:
    """Lines in the middle of a black strip as high as they need; long ones are broken."""
    placed, top = [], 0.3 * size
    for line in lines:
        font = ImageFont.load_default(size=line.size * size)
        for part in _broken(line.text, font, width - size):
            placed.append((part, top, line.colour, font))
            top += 1.35 * line.size * size
    strip = Image.new("RGB", (width, round(top + 0.3 * size)))
    draw = ImageDraw.Draw(strip)
    for text, at, colour, font in placed:
        draw.text((width / 2, at), text, fill=colour, font=font, anchor="ma")
    return strip


def _broken(text: str, font: _Font, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
