"""Batches and their states, as their files tell them."""

from collections.abc import Iterator
from typing import Literal

import pyarrow.parquet as pq
from pydantic import AwareDatetime, BaseModel, ConfigDict

from ml.data.manifest import SCHEMA, commit_rows, each_file, known_fingerprints, manifest_files
from ml.data.plan import PLAN_FILE
from ml.data.quarantine import Quarantine
from ml.data.results import BatchDecision, BatchPlan, ValidationReport
from ml.data.shards import ROWS_FILE, read_rejected
from ml.data.storage import Place, found, write_bytes
from ml.data.tables import parquet_source
from ml.data.validate import REPORT_FILE

State = Literal["planned", "ingested", "held", "superseded", "committed", "discarded"]


class Batch(BaseModel):
    """A batch. `report` is that of its last validation.

    `superseded`: it was held, and its files have come in with a later batch since.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_id: str
    state: State
    files: int
    planned_at: AwareDatetime
    report: ValidationReport | None


def list_batches(batches: Place, manifest_folder: Place) -> list[Batch]:
    """All batches, those planned last first."""
    plans = [
        BatchPlan.model_validate_json(content)
        for content in each_file(_read, found(batches, f"*/{PLAN_FILE}"))
    ]
    reports = {
        report.batch_id: report
        for report in map(
            ValidationReport.model_validate_json,
            each_file(_read, found(batches, f"*/{REPORT_FILE}")),
        )
    }
    merged = {path.parent.name for path in found(batches, f"*/{ROWS_FILE}")}
    committed = {path.stem for path in manifest_files(manifest_folder)}
    known = None

    def state(batch_id: str) -> State:
        nonlocal known
        report = reports.get(batch_id)
        if batch_id in committed and report and not report.held:
            discarded = report.decision and report.decision.action == "discard"
            return "discarded" if discarded else "committed"
        if batch_id in committed and report:
            return "held"  # the decision on it was interrupted, and can be repeated
        if report and report.held:
            known = known or known_fingerprints(manifest_folder)
            came_in = all(name in known for name in _fingerprints(batches / batch_id))
            return "superseded" if came_in else "held"
        return "ingested" if batch_id in merged else "planned"

    listed = [
        Batch(
            batch_id=plan.batch_id,
            state=state(plan.batch_id),
            files=plan.images,
            planned_at=plan.planned_at,
            report=reports.get(plan.batch_id),
        )
        for plan in plans
    ]
    return sorted(listed, key=lambda batch: batch.planned_at, reverse=True)


def discard_batch(
    batch_folder: Place, manifest_folder: Place, quarantine: Quarantine, decision: BatchDecision
) -> ValidationReport:
    """Settle all files of a held batch without taking any, those that quarantine released too."""
    report = ValidationReport.model_validate_json((batch_folder / REPORT_FILE).read_bytes())
    settled = [*_fingerprints(batch_folder)]
    commit_rows(manifest_folder, report.batch_id, SCHEMA.empty_table(), settled=settled)
    quarantine.settle(
        settled, "discarded", by=decision.by, reason=f"batch {report.batch_id}: {decision.reason}"
    )
    discarded = report.model_copy(
        update={
            "held": False,
            "decision": decision,
            "verdict": f"Discarded by {decision.by}: {decision.reason}",
        }
    )
    write_bytes(batch_folder / REPORT_FILE, discarded.model_dump_json(indent=2).encode())
    return discarded


def _read(path: Place) -> bytes:
    return path.read_bytes()


def _fingerprints(batch_folder: Place) -> Iterator[str]:
    """Those of all files of a merged batch."""
    rows_file = batch_folder / ROWS_FILE
    table = pq.read_table(parquet_source(rows_file), columns=["fingerprint"])
    yield from table["fingerprint"].to_pylist()
    yield from (item.fingerprint for item in read_rejected(rows_file))
