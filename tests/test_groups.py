"""What keeps expensive fixtures from being made once a process."""

import pytest


def test_a_file_stays_in_one_process(request: pytest.FixtureRequest) -> None:
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("the suite is not spread over processes by group")
    assert request.node.nodeid.endswith("@test_groups.py")
