"""The queries of a dashboard, with its variables filled in as Grafana would."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]


def panels_of(dashboard: Json) -> Iterator[Json]:
    """Its panels that ask for something."""
    return (panel for panel in dashboard["panels"] if panel.get("targets"))


def all_values(dashboard: Json) -> dict[str, str]:
    """Each variable that is asked from Prometheus, at "All"."""
    return {
        variable["name"]: variable["allValue"]
        for variable in dashboard.get("templating", {}).get("list", [])
        if variable["type"] == "query"
    }


def filled(expression: str, values: Mapping[str, str], *, rate_interval: str) -> str:
    """The expression as Prometheus is asked it.

    Raises:
        KeyError: it names a variable that there is not.
    """
    known = {**values, "__rate_interval": rate_interval}
    return re.sub(r"\$\{?([a-z_]\w+)\}?", lambda found: known[found[1]], expression)
