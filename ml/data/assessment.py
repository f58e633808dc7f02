"""What is wrong with a batch: of its rows, of the batch, and of the manifest with it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ml.data.batch_frame import Earlier, batch_frame
from ml.data.checkpoint import ROW_COLUMN, Checkpoints, Finding
from ml.data.manifest import StoredImage
from ml.data.quarantine_record import Fault
from ml.data.repeats import CONTRADICTED, find_repeats
from ml.data.rulings import Ruling
from ml.params import DataParams

CONTRADICTION = Fault(code="contradicted-label", reason=CONTRADICTED)
"""The fault of an image that is known under another label."""

IMAGE_SUITE, BATCH_SUITE = "incoming_image.json", "batch.json"


@dataclass
class Assessment:
    """What was found. Rows are values of `ROW_COLUMN`; `refused` names the main fault first."""

    refused: dict[int, list[Fault]] = field(default_factory=dict)
    repeated: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    held_because: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)

    @property
    def dropped(self) -> set[int]:
        """Rows that do not enter the manifest."""
        return {*self.refused, *self.repeated}

    def judge(self, findings: Iterable[Finding]) -> None:
        """Findings about the whole: critical ones hold the batch, the others are told."""
        for finding in findings:
            told = self.held_because if finding.critical else self.warnings
            told.append(f"{finding.reason} ({finding.detail})")


def suite_parameters(params: DataParams) -> dict[str, object]:
    """What a suite may name as `$PARAMETER` or in `when`."""
    values = params.model_dump(mode="json")
    return {**values, **values["quality"]}


def assess_batch(
    frame: pd.DataFrame,
    *,
    unreadable: int,
    stored: Mapping[str, StoredImage],
    settled: Collection[str],
    rulings: Mapping[str, Ruling],
    earlier: Earlier,
    checkpoints: Checkpoints,
    suites: Path,
    params: DataParams,
) -> Assessment:
    """Run `incoming_image.json`, look for repeats, run `batch.json`.

    Args:
        frame: the readable images, with the suites' columns and `ROW_COLUMN`.
        unreadable: number of files that are not among them.
        stored: those of the images that are in the manifest.
        settled: image ids of which a person decided what their label is.
        rulings: of persons, on those of the images on which there is one.
    """
    values = suite_parameters(params)
    found = Assessment()
    for finding in checkpoints.run(suites / IMAGE_SUITE, frame, values).findings:
        if finding.critical:
            _refuse(found, finding, frame, rulings)
        else:
            found.warnings.append(f"{finding.detail} images: {finding.reason}")
    sound = frame[~frame[ROW_COLUMN].isin(list(found.refused))]
    labels, patients = (
        sound[name].astype(object).where(sound[name].notna(), None) for name in StoredImage._fields
    )
    repeats = find_repeats(
        sound["image_id"].tolist(),
        labels.tolist(),
        patients.tolist(),
        sound[ROW_COLUMN].tolist(),
        stored,
        settled=settled,
    )
    found.repeated = repeats.repeated
    for row in repeats.contradicted:
        found.refused[row] = [CONTRADICTION]
    batch = batch_frame(
        frame,
        unreadable=unreadable,
        rejected=found.refused,
        repeated=found.repeated,
        earlier=earlier,
        params=params,
    )
    outcome = checkpoints.run(
        suites / BATCH_SUITE, batch.frame, {**values, **batch.parameters}, batch.counts
    )
    found.judge(outcome.findings)
    found.unjudged = outcome.unjudged
    return found


def _refuse(
    found: Assessment, finding: Finding, frame: pd.DataFrame, rulings: Mapping[str, Ruling]
) -> None:
    """Note a finding's fault with its rows, but for images on which it was overruled."""
    images = frame["image_id"].iloc[list(finding.rows)] if rulings else ()
    overruled = {
        row
        for row, image_id in zip(finding.rows, images, strict=False)
        if image_id in rulings and finding.code in rulings[image_id].codes
    }
    for row, observed in zip(finding.rows, finding.observed, strict=True):
        if row not in overruled:
            found.refused.setdefault(row, []).append(_fault(finding, observed))


def _fault(finding: Finding, observed: object) -> Fault:
    return Fault(
        code=finding.code,
        reason=finding.reason,
        expectation=finding.expectation,
        column=finding.column,
        observed=float(observed) if isinstance(observed, int | float) else None,
        bound=dict(finding.bound),
    )
