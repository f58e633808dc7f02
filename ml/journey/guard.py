"""Beside stage 11: try a version on live traffic, and withdraw a canary that behaves otherwise."""

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

from ml.contract.errors import NotFound
from ml.journey.run import database_of, tracker_of
from ml.journey.workspace import Workspace
from ml.monitoring.results import GuardResult
from ml.params import Params
from ml.registry.results import RegisteredVersion
from ml.store.traffic import ShadowTally, Tally

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ml.registry.tracking import Tracker

log = logging.getLogger(__name__)
_ACTOR = "guard"
_LATENCY_QUANTILE = 0.95


def start_canary(
    workspace: Workspace, number: str, *, weight: float, actor: str, reason: str
) -> RegisteredVersion:
    """Let a version that passed its gates answer a share of the requests.

    Raises:
        NotFound: there is no such version.
        InputError: the weight is not above 0 and at most 1.
        Refusal: the gates did not pass the version, or it is in production.
    """
    from ml.registry.models import version_by_number
    from ml.registry.trial import start_canary as start

    tracker = tracker_of(workspace)
    version = version_by_number(tracker, number)
    start(tracker, database_of(workspace), version, weight=weight, actor=actor, reason=reason)
    return version


def start_shadow(
    workspace: Workspace, number: str, *, actor: str, reason: str
) -> RegisteredVersion:
    """Have a version scored on what production answers, without answering.

    Raises:
        NotFound: there is no such version.
        Refusal: it is in production.
    """
    from ml.registry.models import version_by_number
    from ml.registry.trial import start_shadow as start

    tracker = tracker_of(workspace)
    version = version_by_number(tracker, number)
    start(tracker, database_of(workspace), version, actor=actor, reason=reason)
    return version


def end_trial(
    workspace: Workspace, trial: Literal["canary", "shadow"], *, actor: str, reason: str
) -> RegisteredVersion:
    """Withdraw the canary or the shadow.

    Raises:
        NotFound: there is none.
    """
    from ml.registry.models import version_by_alias
    from ml.registry.trial import withdraw

    tracker = tracker_of(workspace)
    version = version_by_alias(tracker, trial)
    if version is None:
        raise NotFound(f"There is no {trial}.", remedy="See `vigie versions`.")
    withdraw(
        tracker,
        database_of(workspace),
        trial,
        version,
        actor=actor,
        reason=reason,
        evidence={},
    )
    return version


class Guard:
    """Compares the canary with production by `params.guard`; keeps its connections."""

    def __init__(self, workspace: Workspace, params: Params) -> None:
        self._workspace = workspace
        self._params = params

    @cached_property
    def _tracker(self) -> "Tracker":
        return tracker_of(self._workspace)

    @cached_property
    def _database(self) -> "Engine":
        return database_of(self._workspace)

    def watch(self, stopping: threading.Event) -> Iterator[GuardResult]:
        """Look every `poll_seconds` until told to stop, whatever goes wrong.

        Until the ledger tells of a trial, the registry is not asked: its client alone would
        multiply the memory of a process that mostly waits.
        """
        while not stopping.is_set():
            try:
                result = self.look() if self._is_trial_on() else GuardResult()
            except Exception as error:  # a guard that died would guard nothing
                log.warning("The guard could not look: %s", error)
            else:
                yield result
            stopping.wait(self._params.guard.poll_seconds)

    def _is_trial_on(self) -> bool:
        from ml.store import ledger

        return ledger.tells_of(self._database, ("canary", "shadow"))

    def look(self, *, now: datetime | None = None) -> GuardResult:
        """Count, judge, and withdraw a canary that behaves otherwise than production.

        Raises:
            PromotionConflict: somebody moved the alias at the same moment.
            Unavailable: the registry or the database does not answer; the canary stays.
        """
        from ml.monitoring.guard import judge_canary
        from ml.registry.models import CANARY, PRODUCTION, version_by_alias
        from ml.registry.trial import withdraw

        earliest = (now or datetime.now(UTC)) - timedelta(hours=self._params.guard.window_hours)
        shadow = self._count_shadow(earliest)
        production = version_by_alias(self._tracker, PRODUCTION)
        canary = version_by_alias(self._tracker, CANARY)
        if canary is None or production is None or canary.version == production.version:
            return GuardResult(shadow=shadow)
        since = self._start(canary, "canary", earliest)
        usual, tried = self._count(production, canary, since)
        verdict = judge_canary(usual, tried, self._params.guard)
        withdrawn = verdict.state == "withdraw"
        if withdrawn:
            reason = "; ".join(verdict.reasons)
            withdraw(
                self._tracker,
                self._database,
                "canary",
                canary,
                actor=_ACTOR,
                reason=reason,
                evidence={
                    "verdict": verdict.model_dump(mode="json"),
                    "production": usual.model_dump(),
                    "canary": tried.model_dump(),
                    "since": since.isoformat(),
                },
            )
            log.warning("Withdrew canary %s: %s", canary.version, reason)
        return GuardResult(
            version=canary.version,
            withdrawn=withdrawn,
            verdict=verdict,
            production=usual,
            canary=tried,
            shadow=shadow,
        )

    def _count(
        self, production: RegisteredVersion, canary: RegisteredVersion, since: datetime
    ) -> tuple[Tally, Tally]:
        from ml.store.traffic import latency_quantile, tally

        usual_ms = latency_quantile(
            self._database,
            version=production.version,
            role="production",
            since=since,
            quantile=_LATENCY_QUANTILE,
        )
        count = partial(
            tally,
            self._database,
            since=since,
            critical_label=self._params.data.critical_label,
            slow_ms=self._params.guard.latency_factor * (usual_ms or 0.0),
        )
        return (
            count(version=production.version, role="production"),
            count(version=canary.version, role="canary"),
        )

    def _count_shadow(self, earliest: datetime) -> ShadowTally | None:
        from ml.registry.models import SHADOW, version_by_alias
        from ml.store.traffic import tally_shadow

        shadow = version_by_alias(self._tracker, SHADOW)
        if shadow is None:
            return None
        return tally_shadow(
            self._database,
            version=shadow.version,
            since=self._start(shadow, "shadow", earliest),
            critical_label=self._params.data.critical_label,
        )

    def _start(self, version: RegisteredVersion, trial: str, earliest: datetime) -> datetime:
        from ml.store import ledger

        entries = ledger.about(self._database, f"{version.name}/{version.version}")
        starts = [entry.at for entry in entries if entry.action == trial]
        return max([earliest, *starts[-1:]])
