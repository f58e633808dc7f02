"""The trigger that notices images landing; it runs in Airflow's triggerer."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

_LOOKING_SHARE = 0.05


class LandingTrigger(BaseEventTrigger):
    """Fires when the folder or bucket has changed and then rested for one look.

    What was there when the triggerer started is left to the hourly schedule, so a restart does
    not start a run. A zone of a million files is looked at less often: looking takes a twentieth
    of the time at most.
    """

    def __init__(self, folder: str, seconds: float = 15.0) -> None:
        super().__init__()
        self.folder = folder
        self.seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How Airflow stores the trigger."""
        return "vigie_landing.LandingTrigger", {"folder": self.folder, "seconds": self.seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look every `seconds`."""
        reported, took = await asyncio.to_thread(look, self.folder)
        seen = reported
        while True:
            await asyncio.sleep(max(self.seconds, took / _LOOKING_SHARE))
            now, took = await asyncio.to_thread(look, self.folder)
            if now == seen and now[0] and now != reported:
                reported = now
                yield TriggerEvent({"files": now[0]})
            seen = now


def look(folder: str) -> tuple[tuple[int, str], float]:
    """What the folder or bucket holds, and the seconds it took to look."""
    from ml.data.landing import contents
    from ml.data.storage import place

    began = time.monotonic()
    return contents(place(folder)), time.monotonic() - began
