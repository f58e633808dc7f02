"""How the suite is spread over processes, and how property tests draw their examples."""

from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent

# The same examples in every run: a change is never blamed for another draw of luck.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots", type=Path, help="Folder for pictures of what browser tests saw."
    )


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file stays in one process, and so do all files that share the one small journey.

    A test may name its own group instead.
    """
    for item in items:
        if item.get_closest_marker("xdist_group"):
            continue
        path = item.path.relative_to(TESTS)
        group = "journey" if path.parts[0] == "e2e" else str(path)
        item.add_marker(pytest.mark.xdist_group(group))
