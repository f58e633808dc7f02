"""A platform under load keeps every answer while its parts die and its model changes."""

import sys
from pathlib import Path

import pytest

from ml.settings import PROJECT_ROOT
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.images import png

sys.path.insert(0, str(PROJECT_ROOT / "benchmarks"))
from burst import hold

pytestmark = pytest.mark.slow


def test_no_answer_is_lost_while_versions_change_and_processes_are_killed(tmp_path: Path) -> None:
    """How fast it stays is for the benchmark to say, on a machine where nothing else runs."""
    bundles = [write_tiny_bundle(tmp_path / key, run_key=key, work=20) for key in ("one", "two")]
    files = [png(level, seed=level) for level in range(40, 220, 20)]
    figures = hold(tmp_path / "burst", bundles, files, rate=10, seconds=50, workers=1)
    assert figures["requests"] > 300  # type: ignore[operator]
    assert figures["versions"] == 2
    for nothing in ("lost", "logged_twice", "unanswered"):
        assert figures[nothing] == 0, figures
