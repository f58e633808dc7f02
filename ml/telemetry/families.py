"""Metric families in one line each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Rows = Mapping[Any, float]
"""A number for the value of the label, or for the tuple of the labels' values."""


def gauge(name: str, documentation: str, value: float) -> Metric:
    """One number."""
    return GaugeMetricFamily(name, documentation, value=value)


def moment(name: str, documentation: str, at: datetime) -> Metric:
    """One point in time; `name` ends in `_timestamp_seconds`."""
    return gauge(name, f"{documentation}, Unix time.", at.timestamp())


def gauges(name: str, documentation: str, labels: Sequence[str], rows: Rows) -> Metric:
    """Numbers by label."""
    return _filled(GaugeMetricFamily(name, documentation, labels=labels), rows)


def counters(name: str, documentation: str, labels: Sequence[str], rows: Rows) -> Metric:
    """Totals by label; `name` is without `_total`."""
    return _filled(CounterMetricFamily(name, documentation, labels=labels), rows)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, rows: Rows) -> Metric:
    for values, number in rows.items():
        family.add_metric([values] if isinstance(values, str) else list(values), number)
    return family
