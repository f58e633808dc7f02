"""The `vigie` command: one verb per stage, each thin over the function the DAGs call."""

import json
import logging
import sys
from typing import NoReturn

import typer

from ml.cli import (
    backup,
    batches,
    crossvalidation,
    data,
    journey,
    keys,
    ledger,
    model,
    operate,
    pacs,
    production,
    quarantine,
    review,
    trial,
)
from ml.cli.console import Options, errors, options_of
from ml.contract.errors import Refusal, VigieError

EXIT_REFUSED = 3

app = typer.Typer(
    name="vigie",
    help="Keeps a radiology image classifier trained, proven, served and watched. "
    "Not for clinical use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (
    journey,
    data,
    batches,
    quarantine,
    model,
    crossvalidation,
    production,
    ledger,
    trial,
    pacs,
    review,
    keys,
    operate,
    backup,
):
    module.add_verbs(app)


@app.callback()
def _common(
    context: typer.Context,
    machine: bool = typer.Option(False, "--json", help="Print results as JSON."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log every step."),
) -> None:
    context.obj = Options(machine=machine)
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def main() -> NoReturn:
    """Run the command; typed errors become a sentence and an exit code, never a traceback."""
    try:
        app(standalone_mode=True)
    except Refusal as refusal:
        _tell(refusal, refusal.reasons)
        sys.exit(EXIT_REFUSED)
    except VigieError as error:
        _tell(error, [])
        sys.exit(1)
    sys.exit(0)


def _tell(error: VigieError, reasons: list[str]) -> None:
    if options_of(sys.argv).machine:
        content = {
            "error": error.code,
            "message": error.message,
            "remedy": error.remedy,
            "reasons": reasons,
        }
        sys.stdout.write(json.dumps(content) + "\n")
        return
    errors.print(f"[bold red]{error.code}[/]: {error.message}")
    for reason in reasons:
        errors.print(f"  • {reason}")
    if error.remedy:
        errors.print(f"[dim]{error.remedy}[/]")
