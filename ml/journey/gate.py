"""Stage 9, gate: all the evidence in, one decision with reasons out. Missing evidence refuses."""

import json
import logging

from ml.contract.bundle import BUNDLE_FILE, bundle_sha256
from ml.evaluation.gate_results import GateDecision
from ml.journey.evaluate import Evidence, read_evidence
from ml.journey.run import Run, database_of, tracker_of, write_json
from ml.journey.wear import wear_of
from ml.journey.workspace import Workspace
from ml.packaging.results import Blessing

log = logging.getLogger(__name__)


def gate(workspace: Workspace, run_key: str) -> GateDecision:
    """Decide on a run's model; the decision is tagged in MLflow and entered in the ledger.

    Each candidate that is judged wears its test split; judging the same one again does not.
    """
    from ml.data.dataset import read_info
    from ml.evaluation.decision_page import render_decision
    from ml.evaluation.gates import decide
    from ml.store import ledger

    run = Run.open(workspace, run_key)
    judged = _identity(run)
    evidence = _evidence_of(run, judged)
    wear = wear_of(workspace, run, evidence.bundle_sha256) if evidence else None
    decision = decide(
        measured=evidence.measured if evidence else None,
        parity=evidence.parity if evidence else None,
        incumbent=evidence.incumbent if evidence else None,
        adaptive=evidence.adaptive if evidence else None,
        leak=read_info(workspace.datasets, run.info.dataset_id).leak,
        blessing=read_blessing(run),
        wear=wear,
        params=run.params.gates,
        bundle_sha256=judged,
    )
    verdict = "promote" if decision.promote else "refuse"
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
            **(
                {
                    "test_split": wear.test_split,
                    "use": wear.use,
                    "confidence": decision.confidence,
                    "bundle_sha256": evidence.bundle_sha256,
                }
                if wear and evidence
                else {}
            ),
        },
    )
    # The decision is readable only once its use of the test split is on record.
    run.decision_page.write_text(render_decision(decision))
    write_json(run.decision, decision.model_dump(mode="json"))
    tracker = tracker_of(workspace)
    tracker.log(
        run.info.mlflow_run_id,
        metrics={"gate.confidence": decision.confidence, "gate.use": float(wear.use)}
        if wear
        else {},
        tags={
            "vigie.gate": verdict,
            "vigie.gate.reasons": "; ".join(decision.reasons)[:4900] or "all gates passed",
            **{f"vigie.gate.{result.name}": result.verdict for result in decision.results},
        },
    )
    tracker.log_files(run.info.mlflow_run_id, [run.decision_page, run.decision], "gate")
    for result in decision.results:
        log.info("Gate %-32s %-12s %s", result.name, result.verdict, result.evidence)
    for part in decision.sufficiency:
        if not part.decides:
            log.warning(
                "The test split is too small to decide on %s: worth %.0f independent images, a "
                "good model passes with %.0f %%; %s are needed, or pooled out-of-fold predictions.",
                part.name,
                part.worth,
                100 * part.power,
                part.needed or "more than any number of images",
            )
    log.info("Gates: %s.", verdict)
    return decision


def read_decision(run: Run) -> GateDecision | None:
    """The decision about the bundle as it lies there; one about another bundle is none.

    Its `bundle_sha256` is that bundle's.
    """
    if not run.decision.is_file():
        return None
    decision = GateDecision.model_validate_json(run.decision.read_bytes())
    judged = decision.bundle_sha256 or _judged_by_evidence(run)
    if judged is None or judged != _identity(run):
        return None
    return decision.model_copy(update={"bundle_sha256": judged})


def read_blessing(run: Run) -> Blessing | None:
    """What the real server did with the bundle as it lies there, None if that was not tried."""
    if not run.blessing.is_file():
        return None
    blessing = Blessing.model_validate(json.loads(run.blessing.read_text()))
    return blessing if blessing.bundle_sha256 == _identity(run) else None


def _evidence_of(run: Run, identity: str | None) -> Evidence | None:
    """The evaluation of the bundle of this identity; one of another bundle is no evidence."""
    evidence = read_evidence(run)
    return evidence if evidence and evidence.bundle_sha256 == identity else None


def _judged_by_evidence(run: Run) -> str | None:
    """The bundle that a decision is about which does not say so itself, None where that is open.

    Older releases noted it in the evidence alone. What was evaluated after the decision, the
    decision did not read.
    """
    evidence = read_evidence(run)
    if evidence is None or run.evidence.stat().st_mtime_ns > run.decision.stat().st_mtime_ns:
        return None
    return evidence.bundle_sha256


def _identity(run: Run) -> str | None:
    return bundle_sha256(run.bundle) if (run.bundle / BUNDLE_FILE).is_file() else None
