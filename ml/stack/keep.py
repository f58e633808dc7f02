"""Keep one command running: `python -m ml.stack.keep COMMAND …`.

On one host what `restart: unless-stopped` is to a container: a Celery worker that was killed comes
back, and the rest of the stack does not notice. SIGTERM ends both.
"""

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 60.0
_STEADY_SECONDS = 60.0


def keep(command: Sequence[str], stopping: threading.Event, *, first_pause: float = 1.0) -> None:
    """Run the command again and again until `stopping` is set; then end it.

    Pauses grow while it ends at once, so that what cannot start does not burn a core.
    """
    pause = first_pause
    while not stopping.is_set():
        began = time.monotonic()
        child = subprocess.Popen(command)
        while child.poll() is None:
            if stopping.wait(0.2):
                child.terminate()
                child.wait()
                return
        if time.monotonic() - began > _STEADY_SECONDS:
            pause = first_pause
        log.warning("ended with %s; starts again in %.0f s", child.returncode, pause)
        stopping.wait(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def main(command: Sequence[str]) -> None:
    """Keep the command until SIGTERM or SIGINT."""
    logging.basicConfig(format="%(asctime)s keep: %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    keep(command, stopping)


if __name__ == "__main__":
    main(sys.argv[1:])
