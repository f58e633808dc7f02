"""How the suite is spread over processes."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file stays in one process, and so do all files that share the one small journey."""
    for item in items:
        path = item.path.relative_to(TESTS)
        group = "journey" if path.parts[0] == "e2e" else str(path)
        item.add_marker(pytest.mark.xdist_group(group))
