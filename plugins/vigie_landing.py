"""The trigger that notices images landing; it runs in Airflow's triggerer."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

_CSV = "images.csv"


class LandingTrigger(BaseEventTrigger):
    """Fires when the folder has changed and then rested for one look.

    What was there when the triggerer started is left to the hourly schedule, so a restart does
    not start a run.
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
        reported = seen = await asyncio.to_thread(contents, Path(self.folder))
        while True:
            await asyncio.sleep(self.seconds)
            now = await asyncio.to_thread(contents, Path(self.folder))
            if now == seen and now not in (reported, (0, 0)):
                reported = now
                yield TriggerEvent({"files": now[0]})
            seen = now


def contents(folder: Path) -> tuple[int, int]:
    """Number of files and the newest modification time (ns); an `images.csv` speaks for all."""
    listing = folder / _CSV
    if listing.is_file():
        return 1, listing.stat().st_mtime_ns
    count = newest = 0
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.startswith("."):
                continue
            try:
                changed = (Path(place) / name).stat().st_mtime_ns
            except FileNotFoundError:
                continue
            count, newest = count + 1, max(newest, changed)
    return count, newest
