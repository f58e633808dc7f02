"""Stage 9, gate: all the evidence in, one decision with reasons out. Missing evidence refuses."""

import json
import logging
from pathlib import Path

from ml.evaluation.results import GateDecision
from ml.journey.evaluate import read_evidence
from ml.journey.run import Run, database_of, tracker_of, write_json
from ml.journey.workspace import Workspace
from ml.packaging.results import Blessing

log = logging.getLogger(__name__)


def gate(workspace: Workspace, run_key: str) -> GateDecision:
    """Decide on a run's model; the decision is tagged in MLflow and entered in the ledger."""
    from ml.data.dataset import read_info
    from ml.evaluation.gates import decide
    from ml.store import ledger

    run = Run.open(workspace, run_key)
    evidence = read_evidence(run)
    decision = decide(
        report=evidence.report if evidence else None,
        parity=evidence.parity if evidence else None,
        incumbent=evidence.incumbent if evidence else None,
        leak=read_info(workspace.datasets, run.info.dataset_id).leak,
        blessing=_read_blessing(run.blessing),
        params=run.params.gates,
    )
    write_json(run.decision, decision.model_dump(mode="json"))
    verdict = "promote" if decision.promote else "refuse"
    tracker_of(workspace).log(
        run.info.mlflow_run_id,
        tags={
            "vigie.gate": verdict,
            "vigie.gate.reasons": "; ".join(decision.reasons)[:4900] or "all gates passed",
            **{f"vigie.gate.{result.name}": result.verdict for result in decision.results},
        },
    )
    ledger.append(
        database_of(workspace),
        actor="pipeline",
        action="gate",
        subject=run_key,
        reason="; ".join(decision.reasons) or "all gates passed",
        evidence={
            "verdict": verdict,
            "dataset_id": run.info.dataset_id,
            "gates": {result.name: result.evidence for result in decision.results},
        },
    )
    for result in decision.results:
        log.info("Gate %-32s %-12s %s", result.name, result.verdict, result.evidence)
    log.info("Gates: %s.", "promote" if decision.promote else "refuse")
    return decision


def read_decision(run: Run) -> GateDecision | None:
    """The decision of an earlier `gate`, None if there was none."""
    if not run.decision.is_file():
        return None
    return GateDecision.model_validate_json(run.decision.read_bytes())


def _read_blessing(path: Path) -> Blessing | None:
    return Blessing.model_validate(json.loads(path.read_text())) if path.is_file() else None
