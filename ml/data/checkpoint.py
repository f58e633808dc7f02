"""Great Expectations: run a reviewed suite over a frame; say what failed, where, by how much."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from ml.contract.errors import VigieError
from ml.data.suite import (
    SEVERITIES,
    Expectation,
    Severity,
    applicable,
    missing,
    read_suite,
    unreadable,
)

ROW_COLUMN = "row"
"""The column whose values name rows in findings."""

_NOT_BOUNDS = frozenset({"column", "batch_id"})


class ExpectationBroken(VigieError):
    """An expectation could not be evaluated, so nothing may be concluded from it."""

    code = "expectation-broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation that did not hold.

    `rows` are values of `ROW_COLUMN` for critical row-level expectations, with what was `observed`
    in each; else both are empty. `count` is the number of failing rows, 0 for table-level ones;
    `detail` is what those measured. `bound` is what was expected, as the suite says it.
    """

    code: str
    reason: str
    severity: Severity
    expectation: str
    column: str
    bound: Mapping[str, object]
    rows: tuple[int, ...]
    observed: tuple[object, ...]
    count: int
    detail: str

    @property
    def critical(self) -> bool:
        """Whether it rejects the row, or holds what the suite is about."""
        return self.severity == "critical"


@dataclass(frozen=True, slots=True)
class Line:
    """An expectation as it is read: what is `expected` in Great Expectations' words, and what was
    `seen`: measures and counts, no values of rows. `held` is None where it was not judged."""

    code: str
    reason: str
    severity: Severity
    expected: str
    held: bool | None
    seen: str


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A suite that was run, with its applicable expectations in the suite's order."""

    name: str
    level: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a suite came to. `unjudged` are reasons of expectations that lacked what they `need`."""

    findings: list[Finding]
    unjudged: list[str]


class Checkpoints:
    """Runs suites in one in-memory context; `ran` tells of all of them."""

    def __init__(self) -> None:
        # Read by Great Expectations when it is imported: nothing is sent anywhere.
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations as gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )

        # At INFO it tells how it builds itself, hundreds of lines for each batch.
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        self.ran: list[SuiteRun] = []
        self._gx = gx
        config = DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            progress_bars=ProgressBarsConfig(globally=False),
        )
        self._context = gx.get_context(mode="ephemeral", project_config=config)
        self._source = self._context.data_sources.add_pandas("vigie")

    def run(
        self,
        suite_file: Path,
        frame: pd.DataFrame,
        parameters: Mapping[str, object],
        counts: Mapping[str, int] | None = None,
    ) -> Outcome:
        """Check a frame against a suite.

        Warnings of a row-level suite are about the rows that its critical expectations leave.

        Args:
            suite_file: JSON as Great Expectations writes it, with `meta.code` and `meta.reason` on
                each expectation and `{"$PARAMETER": name}` for values from `parameters`.
                `meta.when` names parameters and the value each must have for the expectation to
                apply, `meta.needs` names `counts` and the least that each must be.
            frame: has the suite's columns and, for row-level suites, `ROW_COLUMN`.

        Raises:
            InvalidParams: the suite is missing or cannot be read.
            ExpectationBroken: an expectation could not be evaluated.
        """
        suite = read_suite(suite_file)
        applying = applicable(suite.expectations, parameters)
        lacking = {item.code: lack for item in applying if (lack := missing(item, counts or {}))}
        judged = [item for item in applying if item.code not in lacking]
        by_row = suite.level == "row"
        findings: dict[str, Finding] = {}
        seen: dict[str, str] = {}
        # Of a whole, all is judged at once; of rows, first what rejects them.
        for severities in [[severity] for severity in SEVERITIES] if by_row else [[*SEVERITIES]]:
            part = [item for item in judged if item.severity in severities]
            naming = by_row and severities == ["critical"]
            for result in self._evaluate(
                f"{suite.name} {severities[0]}", part, frame, name_rows=naming
            ):
                finding = _finding(result, name_rows=naming)
                seen[finding.code] = finding.detail
                if not result.success:
                    findings[finding.code] = finding
            if naming and (refused := {row for found in findings.values() for row in found.rows}):
                frame = frame[~frame[ROW_COLUMN].isin(refused)]
        lines = [
            Line(
                code=item.code,
                reason=item.reason,
                severity=item.severity,
                expected=_sentence(item),
                held=None if item.code in lacking else item.code not in findings,
                seen=lacking.get(item.code) or seen[item.code],
            )
            for item in applying
        ]
        self.ran.append(SuiteRun(suite.name, suite.level, lines))
        return Outcome(
            [findings[item.code] for item in judged if item.code in findings],
            [f"{line.reason} ({line.seen})" for line in lines if line.held is None],
        )

    def _evaluate(
        self,
        name: str,
        expectations: Sequence[Expectation],
        frame: pd.DataFrame,
        *,
        name_rows: bool,
    ) -> Iterable[Any]:
        if not expectations:
            return []
        # Each pass over the frame copies and hashes all of it.
        about = {column for item in expectations for column in item.columns}
        needed = [column for column in frame if column in about or column == ROW_COLUMN]
        batch = (
            self._source.add_dataframe_asset(name)
            .add_batch_definition_whole_dataframe("whole")
            .get_batch(batch_parameters={"dataframe": frame[needed]})
        )
        result_format: dict[str, object] = {"result_format": "SUMMARY"}
        if name_rows:
            result_format = {
                "result_format": "COMPLETE",
                "unexpected_index_column_names": [ROW_COLUMN],
            }
        results: Iterable[Any] = batch.validate(
            self._suite(name, expectations), result_format=result_format
        ).results
        return results

    def _suite(self, name: str, expectations: Sequence[Expectation]) -> Any:
        content = [item.content for item in expectations]
        try:
            suite = self._gx.ExpectationSuite(name=name, expectations=content)
        except (ValueError, TypeError) as error:
            raise unreadable(name, error) from error
        # What Great Expectations cannot use it logs and leaves out: nothing would be checked.
        usable = {expectation.meta["code"] for expectation in suite.expectations}
        lost = [item.code for item in expectations if item.code not in usable]
        if lost:
            raise unreadable(name, ValueError(f"wrong expectations: {', '.join(lost)}"))
        return suite


def _finding(result: Any, *, name_rows: bool) -> Finding:
    """What a result says, whether it holds or not."""
    config, measured = result.expectation_config, result.result
    reason = str(config.meta["reason"])
    if "'raised_exception': True" in str(result.exception_info):
        raise ExpectationBroken(
            f"The expectation {config.type!r} ({reason}) could not be evaluated.",
            remedy="Check its columns and values in expectations/.",
        )
    column = str(config.kwargs.get("column", ""))
    failing = measured["unexpected_index_list"] if name_rows else []
    return Finding(
        code=str(config.meta["code"]),
        reason=reason,
        severity=config.severity.value,
        expectation=str(config.type),
        column=column,
        bound={name: value for name, value in config.kwargs.items() if name not in _NOT_BOUNDS},
        rows=tuple(int(entry[ROW_COLUMN]) for entry in failing),
        observed=tuple(_plain(entry.get(column)) for entry in failing),
        count=int(measured.get("unexpected_count") or 0) if "element_count" in measured else 0,
        detail=_detail(measured),
    )


def _sentence(expectation: Expectation) -> str:
    """Great Expectations' own words."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.registry import get_renderer_impl

    kind, kwargs = expectation.content["type"], expectation.content["kwargs"]
    render = get_renderer_impl(kind, "renderer.prescriptive")
    parts = render[1](configuration=ExpectationConfiguration(kind, kwargs)) if render else []
    texts = [part.string_template for part in parts]
    return " ".join(Template(text["template"]).safe_substitute(text["params"]) for text in texts)


def _detail(measured: Mapping[str, Any]) -> str:
    if "element_count" in measured:
        return f"{measured['unexpected_count']:,} of {measured['element_count']:,}"
    listed = measured.get("partial_missing_list") or measured.get("partial_unexpected_list")
    if listed:
        return ", ".join(str(value) for value in listed)
    observed = _plain(measured.get("observed_value"))
    if observed is None:
        return ""
    return f"{observed:.1%}" if isinstance(observed, float) else f"{observed:,}"


def _plain(value: Any) -> Any:
    """A numpy scalar as Python's own."""
    return value.item() if hasattr(value, "item") else value
