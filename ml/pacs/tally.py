"""What one association came to, in a line without identifiers."""

import logging
import time
from collections import Counter
from typing import Literal

logger = logging.getLogger(__name__)

Ending = Literal["released", "aborted", "rejected", "lost"]


class Tally:
    """Counts of one caller's objects. `refused` counts by error code; `rejected` says why the
    association did not come about."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.caller: str | None = None
        self.rejected = "too many associations at a time"
        self.landed = self.known = self.echoes = self.bytes = 0
        self.refused: Counter[str] = Counter()
        self._began = time.monotonic()

    def tell(self, ending: Ending) -> None:
        """Log the line: a warning where something was refused or the end was not agreed upon."""
        if self.caller is None:
            # A port scan or a load balancer's look at the port.
            logger.debug("A connection from %s asked for nothing.", self.address)
            return
        if ending == "rejected":
            logger.warning("%s at %s was rejected: %s.", self.caller, self.address, self.rejected)
            return
        quiet = ending == "released" and not self.refused
        logger.log(
            logging.INFO if quiet else logging.WARNING,
            "Association of %s at %s: %s; %.1f MB in %.1f s, %s.",
            self.caller,
            self.address,
            self._counts(),
            self.bytes / 1e6,
            time.monotonic() - self._began,
            ending,
        )

    def _counts(self) -> str:
        parts = [f"{self.landed} landed"]
        if self.known:
            parts.append(f"{self.known} there before")
        if self.echoes:
            parts.append("1 echo" if self.echoes == 1 else f"{self.echoes} echoes")
        if self.refused:
            codes = ", ".join(f"{count} {code}" for code, count in self.refused.most_common())
            parts.append(f"{self.refused.total()} refused ({codes})")
        return ", ".join(parts)
