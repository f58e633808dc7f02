"""Stage 2: which of a batch's images may enter the manifest, and whether the batch may at all."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contract.errors import BatchHeld, NotFound
from ml.data.assessment import Assessment, assess_batch, suite_parameters
from ml.data.batch_frame import Earlier
from ml.data.batch_look_alikes import look_alike_warnings
from ml.data.checkpoint import ROW_COLUMN, Checkpoints, SuiteRun
from ml.data.data_docs import counted, write_data_docs
from ml.data.image_store import ImageStore
from ml.data.manifest import (
    SCHEMA,
    STATISTIC_COLUMNS,
    commit_rows,
    last_deliveries,
    read_columns,
    stored_images,
)
from ml.data.manifest_check import check_manifest
from ml.data.quarantine import Quarantine
from ml.data.refused_rows import quarantine_rows
from ml.data.repeats import REPEATED
from ml.data.results import BatchDecision, ValidationReport
from ml.data.sealed import Seal
from ml.data.shards import ROWS_FILE, RejectedFile, read_rejected
from ml.data.storage import Place, write_bytes
from ml.data.tables import parquet_source
from ml.params import DataParams

logger = logging.getLogger(__name__)

REPORT_FILE = "validation.json"
_READ = pa.schema(
    SCHEMA.field(name)
    for name in (
        *("image_id", "label", "patient", "study", "site", "scanner", "bits_stored"),
        *("text_lines", "ingested_at"),
        *STATISTIC_COLUMNS,
    )
)
_LOOKS = ["image_id", "label", "phash", "descriptor"]
_UNREADABLE = {
    "unreadable-image": "damaged or cut short",
    "unsupported-image": "not an image of a supported type",
    "image-too-large": "too large",
    "missing-file": "listed, but missing",
}


def validate_batch(
    *,
    batch_folder: Place,
    manifest_folder: Place,
    suites: Path,
    params: DataParams,
    quarantine: Quarantine,
    store: ImageStore,
    seal: Seal,
    class_mix: Mapping[str, int] | None = None,
    settled_labels: Collection[str] = (),
    decision: BatchDecision | None = None,
    docs_folder: Path | None = None,
) -> ValidationReport:
    """Check a merged batch, quarantine its rejects and commit the rest to the manifest.

    A row is rejected where a critical expectation of `incoming_image.json` fails, or where the
    same pixels are known under another label. Repeats of known images are dropped; a label or a
    patient for an image that lacks one is taken. What a person overruled for an image
    (`ml.data.rulings`) is not held against it. The batch is held where a critical expectation of
    `batch.json` fails, or where one of `manifest.json` would with the batch in it, unless a person
    decided to take it. A batch that was committed before is not validated again. One batch at a
    time may be validated, whatever machine it is on (`ml.journey.run.one_writer`): what is known
    decides what is a repeat.

    Args:
        batch_folder: holds rows.parquet of `merge_shards`; gets validation.json, written last.
        suites: folder of the reviewed suites.
        store: where rejected images' pixels are taken from if their files are gone.
        seal: of the batch's plan.
        class_mix: images by label of the last dataset, if there is one.
        settled_labels: image ids of which a person decided what their label is.
        decision: to accept the batch although it would be held.
        docs_folder: gets Great Expectations' pages if given.

    Raises:
        NotFound: the batch has not been merged.
        BatchHeld: too much is wrong; nothing was quarantined or committed.
    """
    batch_id, rows_file = batch_folder.name, batch_folder / ROWS_FILE
    if not rows_file.is_file():
        raise NotFound(f"Batch {batch_id} has no {ROWS_FILE}.", remedy="Ingest and merge it first.")
    report_file = batch_folder / REPORT_FILE
    if (manifest_folder / f"{batch_id}.parquet").is_file() and report_file.is_file():
        report = ValidationReport.model_validate_json(report_file.read_bytes())
        if not report.held:  # else a decision was interrupted before it was written down
            return report
    frame = _read_frame(rows_file)
    rulings = quarantine.rulings.on(frame["image_id"].unique())
    unreadable = read_rejected(rows_file)
    checkpoints = Checkpoints()
    stored = stored_images(manifest_folder, frame["image_id"].unique(), except_batch=batch_id)
    found = assess_batch(
        frame,
        unreadable=len(unreadable),
        stored=stored,
        settled=settled_labels,
        rulings=rulings,
        earlier=Earlier(last_deliveries(manifest_folder, except_batch=batch_id), class_mix or {}),
        checkpoints=checkpoints,
        suites=suites,
        params=params,
    )
    joining = _accepted_rows(rows_file, found)
    whole, _ = check_manifest(
        manifest_folder,
        suites=suites,
        parameters=suite_parameters(params),
        checkpoints=checkpoints,
        joining=(batch_id, joining),
    )
    found.judge(whole.findings)
    found.warnings += look_alike_warnings(joining.select(_LOOKS).to_pandas(), params)
    docs = docs_folder / "index.html" if docs_folder else None
    labelled = {image_id for image_id, image in stored.items() if image.label is not None}
    report = _report(batch_id, frame, unreadable, found, docs, decision, labelled)
    if docs is not None:
        _write_docs(docs, report, checkpoints.ran)
    if not report.held:
        quarantine_rows(
            batch_folder,
            found.refused,
            quarantine=quarantine,
            store=store,
            seal=seal,
            limits=params.limits,
        )
        settled = _settled(rows_file, found, unreadable)
        commit_rows(manifest_folder, batch_id, joining, settled=settled)
        came = [*joining["fingerprint"].to_pylist(), *settled]
        quarantine.settle(came, "accepted", by=f"batch {batch_id}")
    write_bytes(report_file, report.model_dump_json(indent=2).encode())
    logger.info("%s", report.verdict)
    if report.held:
        raise BatchHeld(
            report.verdict,
            reasons=found.held_because,
            remedy=f"See `vigie batches show {batch_id}`. Correct the files, or decide: `vigie "
            f"batches accept {batch_id}` or `discard {batch_id}`, each with --reason.",
            details={"batch_id": report.batch_id, "rejected": report.rejected},
        )
    return report


def _read_frame(rows_file: Place) -> pd.DataFrame:
    frame: pd.DataFrame = read_columns(rows_file, _READ).to_pandas()
    sides = frame[["width", "height"]]
    frame["aspect"] = sides.max(axis=1) / sides.min(axis=1)
    frame[ROW_COLUMN] = range(len(frame))
    return frame


def _accepted_rows(rows_file: Place, found: Assessment) -> pa.Table:
    rows = read_columns(rows_file, SCHEMA)
    dropped = found.dropped
    return rows.filter(pa.array([row not in dropped for row in range(len(rows))], pa.bool_()))


def _settled(rows_file: Place, found: Assessment, unreadable: Sequence[RejectedFile]) -> list[str]:
    """Fingerprints of the files that are not committed and are not to come back."""
    fingerprints = pq.read_table(parquet_source(rows_file), columns=["fingerprint"])["fingerprint"]
    dropped = fingerprints.take(pa.array(sorted(found.dropped), pa.int64())).to_pylist()
    return [*dropped, *(item.fingerprint for item in unreadable)]


def _report(
    batch_id: str,
    frame: pd.DataFrame,
    unreadable: Sequence[RejectedFile],
    found: Assessment,
    docs: Path | None,
    decision: BatchDecision | None,
    labelled: Collection[str],
) -> ValidationReport:
    """`labelled`: ids of the images whose label came in before."""
    held = bool(found.held_because) and decision is None
    rejected: Counter[str] = Counter(
        _UNREADABLE.get(item.code, item.code.replace("-", " ")) for item in unreadable
    )
    rejected.update(faults[0].reason for faults in found.refused.values())
    rejected.update({REPEATED: len(found.repeated)} if found.repeated else {})
    taken = frame.iloc[:0] if held else frame[~frame[ROW_COLUMN].isin(found.dropped)]
    files = len(frame) + len(unreadable)
    given = set(taken["image_id"][taken["label"].notna()]).union(labelled)
    waiting = int((~taken["image_id"].isin(given)).sum())
    counts = ", ".join(f"{count} {reason}" for reason, count in rejected.most_common())
    if held:
        verdict = f"Batch {batch_id} is held: {'; '.join(found.held_because)} ({counts})."
    else:
        told = [f"{len(taken)} of {files} files accepted"]
        told += [f"{waiting} of them wait for a label"] if waiting else []
        if found.held_because and decision is not None:
            told += [f"by {decision.by} in spite of: {', '.join(found.held_because)}"]
        verdict = f"{'; '.join(told + ([counts] if counts else []))}."
    return ValidationReport(
        batch_id=batch_id,
        rows=files,
        accepted=len(taken),
        unlabelled=waiting,
        rejected=dict(rejected.most_common()),
        per_label=_counts(taken["label"]),
        per_site=_counts(taken["site"]),
        warnings=found.warnings,
        unjudged=found.unjudged,
        held=held,
        held_because=found.held_because,
        decision=decision,
        docs=str(docs) if docs else None,
        verdict=verdict,
    )


def _write_docs(page: Path, report: ValidationReport, ran: Sequence[SuiteRun]) -> None:
    write_data_docs(
        page,
        title=f"Batch {report.batch_id}: {'held' if report.held else 'validated'}",
        verdict=report.verdict,
        files={"accepted": report.accepted, **report.rejected},
        lists={
            "Accepted": [
                f"by {what}: {counted(counts)}"
                for what, counts in (("label", report.per_label), ("site", report.per_site))
                if counts
            ],
            "Held because" if report.held else "Taken in spite of": report.held_because,
            "Warnings": report.warnings,
        },
        ran=ran,
    )


def _counts(values: "pd.Series[str]") -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}
