"""The local stack as a person starts, stops and looks at it."""

from rich.console import Console

from ml.settings import Settings
from ml.stack import lifecycle
from ml.stack.board import Board
from ml.stack.config import StackConfig
from ml.stack.errors import StackFailed
from ml.stack.welcome import addresses

_console = Console()


def up(settings: Settings) -> None:
    """Start MLflow, Airflow and the server; return when all are healthy.

    Raises:
        PortTaken, StackFailed: see `lifecycle.up`.
    """
    config = StackConfig.from_settings(settings)
    with Board("Starting the stack", _console) as board:
        lifecycle.up(config, on_state=board.set)
    _console.print(addresses(config))


def down(settings: Settings) -> None:
    """Stop every process that `up` started."""
    stopped = lifecycle.down(StackConfig.from_settings(settings))
    _console.print(f"Stopped {stopped} processes." if stopped else "Nothing was running.")


def status(settings: Settings) -> None:
    """Show what runs.

    Raises:
        StackFailed: unless everything runs and is healthy.
    """
    config = StackConfig.from_settings(settings)
    found = lifecycle.status(config)
    if not found.is_running:
        raise StackFailed("Nothing is running.", remedy="Start it with `make up`.")
    for name, pid in found.pids.items():
        health = "healthy" if found.healthy.get(name) else "[bold red]not healthy[/]"
        _console.print(f"{name:<18} {f'pid {pid}' if pid else 'dead':<12} {health}")
    _console.print(addresses(config))
    if not found.is_healthy:
        raise StackFailed("Not all parts are healthy.", remedy=f"See the logs in {config.logs}.")
