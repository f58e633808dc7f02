"""Stage 2: which of a batch's images may enter the manifest, and whether the batch may at all."""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contract.errors import BatchHeld, NotFound
from ml.data.checkpoint import ROW_COLUMN, Checkpoints
from ml.data.image_store import ImageStore
from ml.data.ingest import ROWS_FILE, RejectedFile, read_rejected
from ml.data.locking import locked
from ml.data.manifest import STATISTIC_COLUMNS, commit_rows, stored_labels
from ml.data.quarantine import Quarantine
from ml.data.repeats import CONTRADICTED, REPEATED, find_repeats
from ml.data.results import ValidationReport
from ml.params import DataParams

logger = logging.getLogger(__name__)

REPORT_FILE = "validation.json"
IMAGE_SUITE, BATCH_SUITE = "incoming_image.json", "batch.json"
_READ_COLUMNS = ["image_id", "label", "patient", "site", "scanner", *STATISTIC_COLUMNS]
_UNREADABLE = {
    "unreadable-image": "damaged or cut short",
    "unsupported-image": "not an image of a supported type",
    "image-too-large": "too large",
    "missing-file": "listed, but missing",
}


@dataclass
class _Assessment:
    """What was found in one batch. Rows are positions in rows.parquet."""

    image_reasons: dict[int, list[str]] = field(default_factory=dict)
    repeated: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    held_because: list[str] = field(default_factory=list)


def validate_batch(
    *,
    batch_folder: Path,
    manifest_folder: Path,
    suites: Path,
    params: DataParams,
    quarantine: Quarantine,
    store: ImageStore,
    docs_folder: Path | None = None,
) -> ValidationReport:
    """Check a merged batch, quarantine its rejects and commit the rest to the manifest.

    A row is rejected where a critical expectation of `incoming_image.json` fails, or where the
    same pixels are known under another label. Repeats of known images are dropped. The batch is
    held where a critical expectation of `batch.json` fails. A batch that was committed before is
    not validated again.

    Args:
        batch_folder: holds rows.parquet of `merge_shards`; gets validation.json, written last.
        suites: folder of the reviewed suites.
        store: where rejected images' pixels are taken from for quarantine.
        docs_folder: gets Great Expectations' pages if given.

    Raises:
        NotFound: the batch has not been merged.
        BatchHeld: too much is wrong; nothing was quarantined or committed.
    """
    rows_file = batch_folder / ROWS_FILE
    if not rows_file.is_file():
        raise NotFound(
            f"Batch {batch_folder.name} has no {ROWS_FILE}.", remedy="Ingest and merge it first."
        )
    with locked(manifest_folder):
        report_file = batch_folder / REPORT_FILE
        if (manifest_folder / f"{batch_folder.name}.parquet").is_file() and report_file.is_file():
            return ValidationReport.model_validate_json(report_file.read_bytes())
        frame = pq.read_table(rows_file, columns=_READ_COLUMNS).to_pandas()
        frame[ROW_COLUMN] = range(len(frame))
        unreadable = read_rejected(rows_file)
        stored = stored_labels(
            manifest_folder, frame["image_id"].unique(), except_batch=batch_folder.name
        )
        checkpoints = Checkpoints()
        found = _assess(frame, unreadable, stored, checkpoints, suites, params)
        docs = checkpoints.write_docs(docs_folder) if docs_folder else None
        report = _report(batch_folder.name, frame, unreadable, found, docs)
        if not found.held_because:
            _quarantine_rows(frame, found, quarantine, store, batch_folder.name)
            _commit(rows_file, found, unreadable, manifest_folder, batch_folder.name)
        _write_report(report_file, report)
    logger.info("%s", report.verdict)
    if report.held:
        raise BatchHeld(
            report.verdict,
            reasons=found.held_because,
            remedy="Correct the files, or review the suite and data.max_rejected_share.",
            details={"batch_id": report.batch_id, "rejected": report.rejected},
        )
    return report


def _assess(
    frame: pd.DataFrame,
    unreadable: list[RejectedFile],
    stored: dict[str, str],
    checkpoints: Checkpoints,
    suites: Path,
    params: DataParams,
) -> _Assessment:
    values = params.model_dump(mode="json")
    found = _Assessment()
    for finding in checkpoints.run(suites / IMAGE_SUITE, frame, values):
        if finding.critical:
            for row in finding.rows:
                found.image_reasons.setdefault(row, []).append(finding.reason)
        else:
            found.warnings.append(f"{len(finding.rows)} of {len(frame)} images: {finding.reason}")
    sound = frame[~frame[ROW_COLUMN].isin(list(found.image_reasons))]
    repeats = find_repeats(
        sound["image_id"].tolist(), sound["label"].tolist(), sound[ROW_COLUMN].tolist(), stored
    )
    found.repeated = repeats.repeated
    for row in repeats.contradicted:
        found.image_reasons[row] = [CONTRADICTED]
    files = _files_frame(frame, len(unreadable), found)
    for finding in checkpoints.run(suites / BATCH_SUITE, files, values):
        holds = finding.critical and len(files) >= finding.from_files
        (found.held_because if holds else found.warnings).append(
            f"{finding.reason} ({finding.detail})"
        )
    return found


def _files_frame(frame: pd.DataFrame, unreadable: int, found: _Assessment) -> pd.DataFrame:
    """One row per file of the batch, unreadable ones last, for the batch's suite."""
    read = pd.DataFrame(
        {
            "label": frame["label"],
            "unreadable": 0,
            "rejected": frame[ROW_COLUMN].isin(list(found.image_reasons)).astype(int),
            "repeated": frame[ROW_COLUMN].isin(found.repeated).astype(int),
        }
    )
    lost = pd.DataFrame(
        {"label": None, "unreadable": 1, "rejected": 1, "repeated": 0}, index=range(unreadable)
    )
    return pd.concat([read, lost.astype({"label": object})], ignore_index=True)


def _report(
    batch_id: str,
    frame: pd.DataFrame,
    unreadable: list[RejectedFile],
    found: _Assessment,
    docs: Path | None,
) -> ValidationReport:
    rejected: Counter[str] = Counter(_UNREADABLE[item.code] for item in unreadable)
    rejected.update(reasons[0] for reasons in found.image_reasons.values())
    rejected.update({REPEATED: len(found.repeated)} if found.repeated else {})
    files = len(frame) + len(unreadable)
    accepted = 0 if found.held_because else files - rejected.total()
    counts = ", ".join(f"{count} {reason}" for reason, count in rejected.most_common())
    if found.held_because:
        verdict = f"Batch {batch_id} is held: {'; '.join(found.held_because)} ({counts})."
    else:
        verdict = f"{accepted} of {files} files accepted" + (f"; {counts}." if counts else ".")
    return ValidationReport(
        batch_id=batch_id,
        rows=files,
        accepted=accepted,
        rejected=dict(rejected.most_common()),
        warnings=found.warnings,
        held=bool(found.held_because),
        docs=str(docs) if docs else None,
        verdict=verdict,
    )


def _quarantine_rows(
    frame: pd.DataFrame,
    found: _Assessment,
    quarantine: Quarantine,
    store: ImageStore,
    batch_id: str,
) -> None:
    """Keeps the stored pixels, not the delivered file, which may name its patient."""
    for row, reasons in found.image_reasons.items():
        label = frame["label"].iloc[row]
        quarantine.add(
            store.path(frame["image_id"].iloc[row]).read_bytes(),
            reasons=reasons,
            code="contradicted-label" if reasons == [CONTRADICTED] else "failed-expectation",
            label=label if isinstance(label, str) else None,
            batch_id=batch_id,
        )


def _commit(
    rows_file: Path,
    found: _Assessment,
    unreadable: Iterable[RejectedFile],
    manifest_folder: Path,
    batch_id: str,
) -> None:
    rows = pq.read_table(rows_file)
    refused = {*found.image_reasons, *found.repeated}
    keep = pa.array([row not in refused for row in range(rows.num_rows)], pa.bool_())
    dropped = rows["fingerprint"].take(pa.array(sorted(refused), pa.int64())).to_pylist()
    settled = [*dropped, *(item.fingerprint for item in unreadable)]
    commit_rows(manifest_folder, batch_id, rows.filter(keep), settled=settled)


def _write_report(path: Path, report: ValidationReport) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_text(json.dumps(report.model_dump(mode="json"), indent=2, ensure_ascii=False))
    partial.replace(path)
