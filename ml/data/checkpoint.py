"""Great Expectations: run a reviewed suite over a frame and say what failed, and where."""

import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ml.contract.errors import InvalidParams, VigieError

ROW_COLUMN = "row"
"""The column whose values name rows in findings."""


class ExpectationBroken(VigieError):
    """An expectation could not be evaluated, so nothing may be concluded from it."""

    code = "expectation-broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation that did not hold.

    `rows` are values of `ROW_COLUMN` for row-level expectations, else empty; `detail` is what was
    measured by a table-level one, else empty. `from_files` is the batch size from which a
    table-level one counts.
    """

    reason: str
    critical: bool
    rows: tuple[int, ...]
    detail: str
    from_files: int


class Checkpoints:
    """Runs suites in one in-memory context; its Data Docs cover all of them."""

    def __init__(self) -> None:
        # Read by Great Expectations when it is imported: nothing is sent anywhere.
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        # At INFO it tells how it builds itself, hundreds of lines for each batch.
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        self._gx = gx
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._source = self._context.data_sources.add_pandas("vigie")

    def run(
        self, suite_file: Path, frame: pd.DataFrame, parameters: Mapping[str, object]
    ) -> list[Finding]:
        """Check a frame against a suite.

        Args:
            suite_file: JSON as Great Expectations writes it, with `meta.reason` on each
                expectation and `{"$PARAMETER": name}` for values from `parameters`.
            frame: has the suite's columns and, for row-level suites, `ROW_COLUMN`.

        Raises:
            InvalidParams: the suite is missing or cannot be read.
            ExpectationBroken: an expectation could not be evaluated.
        """
        gx = self._gx
        suite = self._read_suite(suite_file)
        batch_definition = self._source.add_dataframe_asset(
            suite.name
        ).add_batch_definition_whole_dataframe("whole")
        definition = gx.ValidationDefinition(name=suite.name, data=batch_definition, suite=suite)
        checkpoint = gx.Checkpoint(
            name=suite.name,
            validation_definitions=[self._context.validation_definitions.add(definition)],
            result_format="SUMMARY",
        )
        batch = {"dataframe": frame}
        # The checkpoint's summary is kept for the pages; which rows failed is asked in full.
        self._context.checkpoints.add(checkpoint).run(
            batch_parameters=batch, expectation_parameters=dict(parameters)
        )
        by_row = suite.meta.get("level") == "row"
        full: dict[str, object] = {"result_format": "COMPLETE"}
        if by_row:
            full["unexpected_index_column_names"] = [ROW_COLUMN]
        outcome = batch_definition.get_batch(batch_parameters=batch).validate(
            suite, result_format=full, expectation_parameters=dict(parameters)
        )
        return [_finding(result, by_row=by_row) for result in outcome.results if not result.success]

    def write_docs(self, folder: Path) -> Path:
        """Render what was run as HTML pages; return the index. Replaces the folder as a whole."""
        staging = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        shutil.rmtree(staging, ignore_errors=True)
        backend = {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(staging.resolve()),
        }
        site = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": backend,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        self._context.add_data_docs_site(site_name="vigie", site_config=site)
        self._context.build_data_docs(site_names=["vigie"])
        shutil.rmtree(folder, ignore_errors=True)
        staging.replace(folder)
        return folder / "index.html"

    def _read_suite(self, path: Path) -> Any:
        try:
            return self._context.suites.add(
                self._gx.ExpectationSuite(**json.loads(path.read_text()))
            )
        except (OSError, ValueError, TypeError) as error:
            raise InvalidParams(
                f"The suite {path.name} cannot be read ({type(error).__name__}).",
                remedy="Restore it from version control.",
            ) from error


def _finding(result: Any, *, by_row: bool) -> Finding:
    config = result.expectation_config
    reason = str(config.meta["reason"])
    if "'raised_exception': True" in str(result.exception_info):
        raise ExpectationBroken(
            f"The expectation {config.type!r} ({reason}) could not be evaluated.",
            remedy="Check its columns and values in expectations/.",
        )
    failing = result.result["unexpected_index_list"] if by_row else []
    return Finding(
        reason=reason,
        critical=str(config.severity.value) == "critical",
        rows=tuple(int(entry[ROW_COLUMN]) for entry in failing),
        detail="" if by_row else _detail(result.result),
        from_files=int(config.meta.get("from_files", 0)),
    )


def _detail(result: Mapping[str, Any]) -> str:
    if missing := result.get("partial_missing_list"):
        return ", ".join(str(value) for value in missing)
    observed = result.get("observed_value")
    return f"{observed:.1%}" if isinstance(observed, float) else str(observed)
