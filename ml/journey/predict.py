"""Answers for files on this machine: the served model without a server, nothing logged."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from ml.contract.decision import decide
from ml.contract.decoding import DecodeLimits, decode
from ml.contract.errors import InputError, NotFound
from ml.contract.preprocessing import to_grid, to_input
from ml.contract.quality import measure
from ml.contract.session import ModelSession
from ml.journey.run import tracker_of
from ml.journey.workspace import Workspace


class FileAnswer(BaseModel):
    """One file's answer; `label` is None and `action` is `unreadable` where it cannot be read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    label: str | None
    probabilities: dict[str, float]
    action: str
    reasons: list[str]


def predict_files(
    workspace: Workspace,
    files: Sequence[Path],
    *,
    bundle: Path | None,
    alias: str,
    limits: DecodeLimits,
) -> list[FileAnswer]:
    """Answer for each file, in order.

    Raises:
        NotFound: a file or the alias does not exist.
    """
    session = ModelSession.open(bundle or _bundle_by_alias(workspace, alias), threads=0)
    return [_answer(session, file, limits) for file in files]


def _bundle_by_alias(workspace: Workspace, alias: str) -> Path:
    from ml.registry.models import fetch_bundle, version_by_alias

    tracker = tracker_of(workspace)
    version = version_by_alias(tracker, alias)
    if version is None:
        raise NotFound(
            f"No version has the alias {alias!r}.",
            remedy="Promote a model, or name a bundle with --bundle.",
        )
    return fetch_bundle(tracker, version, workspace.bundles)


def _answer(session: ModelSession, file: Path, limits: DecodeLimits) -> FileAnswer:
    if not file.is_file():
        raise NotFound(f"{file} does not exist.", remedy="Check the path.")
    bundle = session.bundle
    try:
        pixels = decode(file.read_bytes(), limits).pixels
    except InputError as error:
        return FileAnswer(
            file=str(file), label=None, probabilities={}, action="unreadable", reasons=[str(error)]
        )
    outputs = session.run(to_input(to_grid(pixels, bundle.input))[np.newaxis])
    probabilities = outputs.probabilities[0]
    decision = decide(
        probabilities, outputs.embedding[0], measure(pixels), bundle.labels, bundle.policy
    )
    return FileAnswer(
        file=str(file),
        label=decision.label,
        probabilities={
            label: float(value) for label, value in zip(bundle.labels, probabilities, strict=True)
        },
        action=decision.action,
        reasons=decision.reasons,
    )
