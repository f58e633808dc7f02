"""What marks an object of ours in an archive, and identifiers that repeat."""

import hashlib
from collections.abc import Sequence

from pydicom import Dataset
from pydicom.uid import generate_uid

MANUFACTURER = "Vigie"
SERIES_DESCRIPTION = "Vigie: NOT FOR DIAGNOSIS"
WARNING = "NOT FOR DIAGNOSIS"
CODING_SCHEME = "99VIGIE"
"""A private scheme (PS3.16, 8.2): which labels there are is a parameter of the installation."""

_CODE_CHARACTERS = 16
_MEANING_CHARACTERS = 64


def repeatable_uid(what: str, sources: Sequence[str]) -> str:
    """A UID that the same sources always give, so that sending again changes nothing."""
    return str(generate_uid(entropy_srcs=[MANUFACTURER, what, *sources]))


def software(model: str, version: str) -> str:
    """What answered, in words: `Vigie 7`, or `Vigie lung 7` for a model with a name of its own."""
    return f"{algorithm(model)} {version}"


def algorithm(model: str) -> str:
    """The algorithm's name: ours, and the model's where that is another."""
    own = model.casefold() != MANUFACTURER.casefold()
    return f"{MANUFACTURER} {model}" if own else MANUFACTURER


def place_of(header: Dataset) -> str:
    """Which image of its study it is, in words, as viewers number them."""
    series, image = header.get("SeriesNumber", None), header.get("InstanceNumber", None)
    parts = [f"series {series}"] if series is not None else []
    return ", ".join([*parts, f"image {image}"] if image is not None else parts) or "one image"


def private_code(meaning: str) -> tuple[str, str, str]:
    """Value, scheme and meaning of a term that only this installation uses.

    The meaning is cut to what a code holds (64 characters), the value follows from all of it.
    """
    digest = hashlib.sha256(meaning.encode()).hexdigest()
    return digest[:_CODE_CHARACTERS], CODING_SCHEME, meaning[:_MEANING_CHARACTERS]
