"""The model board's facts: what is in production, what waits beside it, and what may be done."""

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from ml.contract.bundle import bundle_sha256
from ml.contract.errors import NotFound, Unavailable
from ml.contract.records import LedgerAction, LedgerEntry
from ml.contract.registry_names import CANARY_WEIGHT_TAG
from ml.evaluation.gate_results import GateDecision
from ml.journey.approval import Approval, approval_asked, read_approval
from ml.journey.board_pages import PageName, pages_of
from ml.journey.evaluate import Evidence, read_evidence
from ml.journey.gate import read_blessing, read_decision
from ml.journey.promote import aliases
from ml.journey.results import RunInfo
from ml.journey.run import Run, database_of, tracker_of
from ml.journey.watched import drift_history
from ml.journey.workspace import Workspace
from ml.monitoring.results import DriftResult
from ml.packaging.results import Blessing
from ml.registry.results import RegisteredVersion

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = logging.getLogger(__name__)
BoardAction = Literal["promote", "refuse", "rollback", "canary", "shadow", "withdraw"]
_LINES = 15
# A run's key is a folder, and the registry's tag that names it can be written by others.
_RUN_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LET_IN: tuple[LedgerAction, ...] = ("promote", "rollback")


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VersionFacts(_Fact):
    """One registered version and the evidence of its run.

    `run`, `evidence`, `decision`, `blessing` and `approval` are None where the run has none about
    this very bundle; `missing` says why there are none at all. `asked` says why a person must
    approve it, empty where nobody must. `acts` are the ledger's lines about it, the newest first.
    `weight` is the canary's share of requests.
    """

    registered: RegisteredVersion
    run: RunInfo | None = None
    evidence: Evidence | None = None
    decision: GateDecision | None = None
    blessing: Blessing | None = None
    approval: Approval | None = None
    asked: str = ""
    missing: str = ""
    pages: list[PageName] = []
    acts: list[LedgerEntry]
    weight: str = ""

    @property
    def let_in(self) -> LedgerEntry | None:
        """The newest line that put it into production."""
        return next((line for line in self.acts if line.action in _LET_IN), None)


class Served(_Fact):
    """What the server answers with, as it says itself; `trouble` is why it could not be asked.

    `beside` is the version by role, canary and shadow.
    """

    version: str = ""
    beside: dict[str, str] = {}
    trouble: str = ""


class ModelBoard(_Fact):
    """All that a person needs to decide. `challenger` is None where it is in production by now.

    `why_not` names, for each action, why it is not possible now; empty where it is.
    """

    production: VersionFacts | None
    challenger: VersionFacts | None
    previous: VersionFacts | None
    canary: VersionFacts | None
    shadow: VersionFacts | None
    drift: DriftResult | None
    ledger: list[LedgerEntry]
    why_not: dict[BoardAction, str]

    @property
    def leaving(self) -> str:
        """The number of the version in production, empty for none."""
        return self.production.registered.version if self.production else ""


def read_board(workspace: Workspace) -> ModelBoard:
    """The board as registry, ledger and runs tell it now.

    Raises:
        LedgerBroken: a line that would be shown was changed.
        Unavailable: the registry or the database does not answer.
    """
    from ml.registry.decided import newest_decision
    from ml.store import ledger

    database = database_of(workspace)
    named = aliases(workspace)
    facts = {alias: _version(workspace, database, item) for alias, item in named.items()}
    production, challenger = facts.get("production"), facts.get("challenger")
    if production and challenger and challenger.registered == production.registered:
        challenger = None
    drifts = drift_history(workspace)
    canary = facts.get("canary")
    decided = newest_decision(database)
    current = production.registered.version if production else None
    return ModelBoard(
        production=production,
        challenger=challenger,
        previous=facts.get("previous"),
        canary=canary and canary.model_copy(update={"weight": _weight(workspace, canary)}),
        shadow=facts.get("shadow"),
        drift=drifts[-1] if drifts else None,
        ledger=ledger.newest(database, _LINES),
        why_not=why_not(
            production,
            challenger,
            facts.get("previous"),
            canary or facts.get("shadow"),
            interrupted=decided is not None and decided.is_interrupted(current),
        ),
    )


def why_not(
    production: VersionFacts | None,
    challenger: VersionFacts | None,
    previous: VersionFacts | None,
    tried: VersionFacts | None,
    *,
    interrupted: bool,
) -> dict[BoardAction, str]:
    """Why each action is not possible, empty where it is.

    It spares a person a vain attempt; each action asks again for itself.

    Args:
        interrupted: whether the ledger's newest promotion or rollback has not reached production:
            rolling back withdraws the one and completes the other.
    """
    waiting = "" if challenger else "No challenger is waiting."
    beside = waiting or ("" if production else "Nothing is in production to compare with.")
    return {
        "promote": waiting or _held_back(challenger, production),
        "refuse": waiting or (challenger.missing if challenger else ""),
        "rollback": ""
        if interrupted or (production and previous)
        else "There is no previous version.",
        "canary": beside or ("" if _passed(challenger) else "Its gates have not passed it."),
        "shadow": beside,
        "withdraw": "" if tried else "Nothing is tried beside production.",
    }


def ask_server(url: str, headers: Mapping[str, str], *, seconds: float = 2.0) -> Served:
    """Which version the server answers with at this moment; never raises."""
    import httpx

    try:
        answer = httpx.get(f"{url}/model", headers=dict(headers), timeout=seconds, trust_env=False)
        answer.raise_for_status()
        told = answer.json()
        beside = {str(item["role"]): str(item["version"]) for item in told["beside"]}
        return Served(version=str(told["version"]), beside=beside)
    except httpx.HTTPStatusError as error:
        return Served(trouble=f"it answered {error.response.status_code}")
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return Served(trouble=f"it does not answer ({type(error).__name__})")


def run_of(workspace: Workspace, version: RegisteredVersion) -> Run:
    """The run that made a version, as it lies here.

    Raises:
        NotFound: it is not here, or its bundle is no longer the registered one.
    """
    if not _RUN_KEY.fullmatch(version.run_key):
        raise NotFound(
            f"Version {version.version} names no run that could be here.",
            remedy="Find out who wrote its tag in the registry.",
        )
    run = Run.open(workspace, version.run_key)
    try:
        identity = bundle_sha256(run.bundle)
    except OSError as error:
        raise NotFound(
            f"Run {version.run_key} has no bundle here.", remedy="Mount the home that made it."
        ) from error
    if identity != version.bundle_sha256:
        raise NotFound(
            f"The bundle of run {version.run_key} is not the one of version {version.version}.",
            remedy="Evaluate, bless and gate the bundle that the run has now, then register it.",
        )
    return run


def _version(workspace: Workspace, database: "Engine", version: RegisteredVersion) -> VersionFacts:
    from ml.store import ledger

    acts = ledger.about(database, f"{version.name}/{version.version}")[::-1]
    try:
        run = run_of(workspace, version)
    except NotFound as error:
        return VersionFacts(registered=version, acts=acts, missing=str(error))
    evidence = read_evidence(run)
    return VersionFacts(
        registered=version,
        run=run.info,
        evidence=evidence if evidence and _is_about(evidence, version) else None,
        decision=read_decision(run),
        blessing=read_blessing(run),
        approval=read_approval(run),
        asked=approval_asked(run),
        pages=pages_of(run),
        acts=acts,
    )


def _is_about(evidence: Evidence, version: RegisteredVersion) -> bool:
    return evidence.bundle_sha256 == version.bundle_sha256


def _weight(workspace: Workspace, canary: VersionFacts) -> str:
    from ml.registry.models import tags_of

    try:
        return tags_of(tracker_of(workspace), canary.registered).get(CANARY_WEIGHT_TAG, "")
    except Unavailable:
        log.warning("The share of the canary could not be read.")
        return ""


def _held_back(challenger: VersionFacts | None, production: VersionFacts | None) -> str:
    if challenger is None or challenger.missing or challenger.run is None:
        return challenger.missing if challenger else ""
    if challenger.decision is None:
        return "The gates have not decided on it."
    if not challenger.decision.promote:
        return "Its gates refuse it."
    incumbent = challenger.run.incumbent_version
    current = production.registered.version if production else None
    if incumbent != current:
        return (
            f"Its gates compared with version {incumbent or 'none'}, but production is version "
            f"{current or 'none'}: evaluate it again."
        )
    return ""


def _passed(version: VersionFacts | None) -> bool:
    return bool(version and version.decision and version.decision.promote)
