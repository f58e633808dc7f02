"""Values of a DICOM dataset that may be damaged: what cannot be read counts as missing."""

from functools import cache

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag


def text(dataset: Dataset, keyword: str) -> str | None:
    """A value as text, several joined by backslashes; None if there is none."""
    value = _value(dataset, keyword)
    if value is None:
        return None
    parts = value if isinstance(value, MultiValue) else [value]
    return "\\".join(str(part) for part in parts).strip() or None


def whole_number(dataset: Dataset, keyword: str) -> int | None:
    """A value as an integer; None if it is none."""
    try:
        return int(_value(dataset, keyword))  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """A sequence's items; empty if there are none."""
    value = _value(dataset, keyword)
    try:
        return [item for item in value or () if isinstance(item, Dataset)]  # type: ignore[attr-defined]
    except TypeError:
        return []


def _value(dataset: Dataset, keyword: str) -> object:
    tag = _tag(keyword)
    try:
        # Asking pydicom by keyword takes several times as long where there is none.
        return dataset[tag].value if tag in dataset else None
    except Exception:  # pydicom raises many types on damaged values
        return None


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)
