"""What every benchmark leaves behind: its figures, their goals, and where they were taken."""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path


def write_figures(
    path: Path | None,
    figures: Mapping[str, object],
    goals: Mapping[str, str],
    **environment: object,
) -> None:
    """Write the JSON file, if one is asked for.

    Args:
        environment: what else the figures depend on, beside Python, system and cores.
    """
    if path is None:
        return
    content = {
        "figures": figures,
        "goals": goals,
        "environment": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            **environment,
        },
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def print_goals(figures: Mapping[str, object], goals: Mapping[str, str]) -> None:
    """The figures that have a goal, beside it."""
    for name, goal in goals.items():
        print(f"{name}: {figures[name]} (goal {goal})")
