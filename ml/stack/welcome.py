"""Where to look once the stack runs."""

import json

from rich.panel import Panel
from rich.table import Table

from ml.stack.config import StackConfig


def login(config: StackConfig) -> tuple[str, str]:
    """Airflow's user and the password that it made at its first start."""
    passwords: dict[str, str] = json.loads(config.passwords.read_text())
    user, password = next(iter(passwords.items()))
    return user, password


def addresses(config: StackConfig) -> Panel:
    """The three addresses, the login and how to stop."""
    user, password = login(config)
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "Airflow", config.airflow_url, f"user [bold]{user}[/], password [bold]{password}[/]"
    )
    table.add_row("MLflow", config.mlflow_url, "runs, metrics, model versions")
    table.add_row("Vigie", config.server_url, "drop an image; API at /openapi.json")
    if config.receiver:
        table.add_row("DICOM", "port {1} of {0}".format(*config.receiver), "send images by C-STORE")
    table.add_row("", "", "")
    table.add_row("stop", "make down", f"state stays in {config.home}")
    return Panel(table, title="Where to look", title_align="left", border_style="dim")
