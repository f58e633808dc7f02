"""How numbers are written on drawn dashboards."""

import sys

import pytest

from ml.settings import PROJECT_ROOT

sys.path.insert(0, str(PROJECT_ROOT / "deploy" / "grafana"))
from units import text_of


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0.998, "percentunit", 2, "99.80 %"),
        (0.0, "percentunit", None, "0.0 %"),
        (0.0484, "s", None, "48.4 ms"),
        (1.5, "s", 2, "1.50 s"),
        (0.0, "s", None, "0 s"),
        (90, "dtdurations", 0, "90 s"),
        (5400, "dtdurations", 0, "90 min"),
        (36 * 3600, "dtdurations", 0, "36 hours"),
        (8 * 86400, "dtdurations", 0, "8 days"),
        (600 * 2**20, "bytes", None, "600 MiB"),
        (1.25, "reqps", None, "1.25 req/s"),
        (12_345, "short", None, "12.3 K"),
        (4.0, "short", 0, "4"),
        (float("nan"), "short", None, "–"),
    ],
)
def test_numbers_are_written_with_their_unit(value, unit, decimals, text):
    assert text_of(value, unit, decimals) == text
