"""Read `params.toml`: one profile over its defaults, single overrides over both."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ml.contract.errors import InvalidParams
from ml.params.data import DataParams, ImageParams
from ml.params.judgement import EvaluationParams, GateParams, GuardParams, MonitoringParams
from ml.params.review import ReviewParams
from ml.params.section import Section
from ml.params.training import (
    EnsembleParams,
    ExperimentParams,
    QuantizationParams,
    TrainingParams,
)


class Params(Section):
    """All parameters of one run."""

    profile: str
    data: DataParams
    image: ImageParams
    training: TrainingParams
    ensemble: EnsembleParams
    quantization: QuantizationParams
    evaluation: EvaluationParams
    experiments: ExperimentParams
    gates: GateParams
    monitoring: MonitoringParams
    guard: GuardParams
    review: ReviewParams

    @property
    def sha256(self) -> str:
        """Digest of all values, for lineage."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load_params(path: Path, *, profile: str | None = None, overrides: Sequence[str] = ()) -> Params:
    """Read `params.toml`.

    Args:
        path: the file.
        profile: `standard` or the name of a `[profiles.NAME]` table; the file's own if None.
        overrides: `section.key=value` with a TOML value (a bare word is a string), or
            `profile=NAME`, applied last.

    Raises:
        InvalidParams: unreadable file, unknown profile or key, or a value out of bounds.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidParams(
            f"{path} cannot be read: {error}.", remedy="Restore it from version control."
        ) from error
    profiles = values.pop("profiles", {})
    assignments = [_parse_override(text) for text in overrides]
    for keys, value in assignments:
        if keys == ["profile"]:
            profile = str(value)
    chosen = profile or values.get("profile", "standard")
    if chosen != "standard":
        if chosen not in profiles:
            known = ", ".join(["standard", *profiles])
            raise InvalidParams(f"There is no profile {chosen!r}.", remedy=f"Choose from {known}.")
        _merge(values, profiles[chosen])
    for keys, value in assignments:
        if keys != ["profile"]:
            _assign(values, keys, value)
    values["profile"] = chosen
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidParams(
            f"Parameter {key}: {first['msg']}.", remedy=f"Correct it in {path.name} or in --set."
        ) from error


def _parse_override(text: str) -> tuple[list[str], object]:
    key, separator, raw = text.partition("=")
    if not separator or not key.strip():
        raise InvalidParams(
            f"{text!r} is not an override.", remedy="Write it as section.key=value."
        )
    try:
        value: object = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    return key.strip().split("."), value


def _merge(target: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _assign(values: dict[str, Any], keys: list[str], value: object) -> None:
    table = values
    for key in keys[:-1]:
        table = table.get(key, {})
        if not isinstance(table, dict):
            break
    if not isinstance(table, dict) or keys[-1] not in table:
        raise InvalidParams(
            f"There is no parameter {'.'.join(keys)!r}.", remedy="See params.toml for the names."
        )
    table[keys[-1]] = value
