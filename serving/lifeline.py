"""A server that ends with whoever started it, however that ended."""

import os
import signal
import sys
import threading


def stop_when_stdin_ends() -> None:
    """From now on the end of standard input is a SIGTERM.

    The other end of the pipe is held by the starter, and the system closes it also for a process
    that was killed and could not clean up.
    """
    threading.Thread(target=_wait, name="lifeline", daemon=True).start()


def _wait() -> None:
    # Of the descriptor, as a buffered read that never returns would disturb the interpreter's end.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
