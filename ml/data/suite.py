"""The reviewed suites: JSON as Great Expectations writes it, and which of it applies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ml.contract.errors import InvalidParams

Severity = Literal["critical", "warning"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning")
"""Critical: the row is rejected, or what the suite is about is held. Warning: it is told."""
_PARAMETER = "$PARAMETER"
_COLUMN = ("column", "column_A", "column_B")


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation. `content` is what Great Expectations reads; see `Checkpoints.run`."""

    code: str
    reason: str
    severity: Severity
    content: Mapping[str, Any]

    @property
    def columns(self) -> list[str]:
        """The columns that it is about."""
        kwargs = self.content["kwargs"]
        return [*kwargs.get("column_list", ()), *(v for k, v in kwargs.items() if k in _COLUMN)]


@dataclass(frozen=True, slots=True)
class Suite:
    """What is expected of a `row`, or of a whole: `batch`, `manifest`, `dataset`."""

    name: str
    level: str
    expectations: list[Expectation]


def read_suite(path: Path) -> Suite:
    """Read a suite.

    Raises:
        InvalidParams: it is missing, or an expectation lacks its code, reason or severity.
    """
    try:
        content = json.loads(path.read_text())
        expectations = [_expectation(item) for item in content["expectations"]]
        return Suite(str(content["name"]), str(content["meta"]["level"]), expectations)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise unreadable(path.stem, error) from error


def _expectation(content: Mapping[str, Any]) -> Expectation:
    meta, severity = content["meta"], content["severity"]
    _ = content["type"]
    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity!r}")
    return Expectation(str(meta["code"]), str(meta["reason"]), severity, content)


def unreadable(name: str, error: Exception) -> InvalidParams:
    """What to raise for a suite that is not one."""
    return InvalidParams(
        f"The suite {name} cannot be read ({type(error).__name__}: {error}).",
        remedy="Restore it from version control.",
    )


def applicable(
    expectations: Sequence[Expectation], parameters: Mapping[str, object]
) -> list[Expectation]:
    """The expectations that apply with these parameters, which take their places.

    Args:
        parameters: `meta.when` names some, and the value each must have.

    Raises:
        InvalidParams: a suite names a parameter that there is not.
    """
    return [
        Expectation(item.code, item.reason, item.severity, _filled(item, parameters))
        for item in expectations
        if all(
            parameters.get(name) == value
            for name, value in item.content["meta"].get("when", {}).items()
        )
    ]


def _filled(item: Expectation, parameters: Mapping[str, object]) -> dict[str, Any]:
    kwargs = dict(item.content["kwargs"])
    for name, value in kwargs.items():
        if isinstance(value, dict) and _PARAMETER in value:
            if value[_PARAMETER] not in parameters:
                raise unreadable(item.code, KeyError(value[_PARAMETER]))
            kwargs[name] = parameters[value[_PARAMETER]]
    return {**item.content, "kwargs": kwargs}


def missing(item: Expectation, counts: Mapping[str, int]) -> str:
    """What there is too little of to judge an expectation; empty if there is enough.

    Args:
        counts: `meta.needs` names some, and the least that each must be.
    """
    short = [
        f"too few {name.replace('_', ' ')}: {counts.get(name, 0)}, not {least}"
        for name, least in item.content["meta"].get("needs", {}).items()
        if counts.get(name, 0) < least
    ]
    return "; ".join(short)
