"""The runbook as a dashboard: one text panel per alert, which panels of others link to."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UID = "vigie-runbook"
_HEIGHT = 7
_COLUMNS = 24
_WIDTH = 12


def link(title: str, **more: Any) -> dict[str, Any]:
    """A link of a dashboard or a panel; Grafana's schema wants all its fields."""
    return {
        "title": title,
        "asDropdown": False,
        "icon": "doc",
        "includeVars": False,
        "keepTime": False,
        "tags": [],
        "targetBlank": False,
        "tooltip": "",
        **more,
    }


@dataclass(frozen=True)
class Runbook:
    """Alert → what to do about it, in Markdown; alerts in the order of the page."""

    sections: dict[str, str]

    def link(self, alert: str) -> dict[str, Any]:
        """A panel's link to one section, shown alone.

        Raises:
            ValueError: the runbook has no such section.
        """
        if alert not in self.sections:
            raise ValueError(f"The runbook has no section {alert!r}.")
        return link(f"Runbook: {alert}", type="link", url=self._address(alert), targetBlank=True)

    def dashboard(self, frame: Callable[[str, str, str], dict[str, Any]]) -> dict[str, Any]:
        """All sections, two beside each other."""
        panels = [
            {
                "id": number,
                "type": "text",
                "title": alert,
                "gridPos": {
                    "x": index * _WIDTH % _COLUMNS,
                    "y": index * _WIDTH // _COLUMNS * _HEIGHT,
                    "w": _WIDTH,
                    "h": _HEIGHT,
                },
                "options": {"mode": "markdown", "content": self._linked(text)},
            }
            for index, (alert, text) in enumerate(self.sections.items())
            for number in [index + 1]
        ]
        about = "What each alert means and what to do then; the same as docs/operations.md."
        return {**frame("runbook", "Vigie: runbook", about), "panels": panels}

    def _address(self, alert: str) -> str:
        number = list(self.sections).index(alert) + 1
        return f"/d/{UID}?viewPanel=panel-{number}"

    def _linked(self, text: str) -> str:
        """Links within the page lead to panels; a section is named in small letters there."""
        by_anchor = {alert.lower(): alert for alert in self.sections}
        return re.sub(
            r"\]\(#([^)]+)\)", lambda found: f"]({self._address(by_anchor[found[1]])})", text
        )


def read_runbook(path: Path) -> Runbook:
    """The sections of the operations manual that are about alerts."""
    text = re.sub(r"^## .*$", "", path.read_text(), flags=re.MULTILINE)
    parts = re.split(r"^### (\w+)$", text, flags=re.MULTILINE)[1:]
    # A blank line between the steps, which stand on lines of their own in the file.
    return Runbook(
        {
            alert: body.strip().replace("\n**", "\n\n**")
            for alert, body in zip(parts[::2], parts[1::2], strict=True)
        }
    )
