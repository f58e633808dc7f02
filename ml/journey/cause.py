"""Why a training run starts, from what the scheduler knows of it."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from ml.journey.results import Cause, Trigger

_BY_RUN_TYPE: dict[str, Trigger] = {"manual": "manual", "scheduled": "schedule"}


def cause_of(
    run_type: str, said: str, events: Sequence[Mapping[str, Any]], *, started_by: str = ""
) -> Cause:
    """The newest event's trigger with the reasons and reports of all of them; without events, what
    a person said, or the kind of run.

    Args:
        run_type: Airflow's: `manual`, `scheduled`, `asset_triggered`, ….
        said: the reason a person gave; empty if none.
        events: what each event that asked for the run carries, oldest first. One that was sent by
            hand may carry nothing.
        started_by: who asked for a manual run.
    """
    told = [event for event in events if event.get("reason")]
    if not told:
        trigger = _BY_RUN_TYPE.get(run_type, "event")
        return Cause(
            reason=said or f"{run_type} run",
            trigger=trigger,
            started_by=started_by if trigger == "manual" else "",
        )
    newest = told[-1].get("trigger")
    reports = [str(name) for event in told for name in event.get("report_ids") or ()]
    return Cause(
        reason="; ".join(dict.fromkeys(str(event["reason"]) for event in told)),
        trigger=newest if newest in get_args(Trigger) else "event",
        report_ids=list(dict.fromkeys(reports)),
    )
