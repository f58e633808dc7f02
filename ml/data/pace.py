"""How far a long task is, told now and then."""

import logging
import time

logger = logging.getLogger(__name__)

_SECONDS = 10.0


class Pace:
    """Counts files and logs, every ten seconds at most, how many are done and how long it takes."""

    def __init__(self, task: str, total: int | None = None) -> None:
        self._task = task
        self._total = total
        self._done = 0
        self._began = self._told = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._told >= _SECONDS:
            self._told = now
            self._tell(self._done / (now - self._began))

    def _tell(self, rate: float) -> None:
        if self._total is None:
            logger.info("%s: %d files, %.1f a second.", self._task, self._done, rate)
            return
        left = _duration((self._total - self._done) / rate)
        logger.info(
            "%s: %d of %d files, %.1f a second, about %s left.",
            self._task,
            self._done,
            self._total,
            rate,
            left,
        )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
