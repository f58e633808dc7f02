"""Every query of every dashboard and rule, asked of a Prometheus that scraped the real parts."""

import io
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from PIL import Image

from ml.settings import PROJECT_ROOT
from tests.e2e.conftest import Journey
from tests.e2e.observed import ObservedStack, observed
from tests.fakes.prometheus_process import INSTALLED
from tests.serving.clients import Clients

GRAFANA = PROJECT_ROOT / "deploy" / "grafana"
RULES = PROJECT_ROOT / "deploy" / "prometheus" / "rules"
sys.path.insert(0, str(GRAFANA))
from queries import all_values, filled, panels_of  # noqa: E402
from render import Source, render  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INSTALLED, reason="prometheus (Debian package) is not installed"),
]
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in GRAFANA.glob("dashboards/*.json")}
QUERIES = [
    pytest.param(filled(target["expr"], all_values(dashboard), rate_interval="15s"),
                 id=f"{name}-{panel['title']}-{target['refId']}")
    for name, dashboard in sorted(DASHBOARDS.items())
    for panel in panels_of(dashboard)
    for target in panel["targets"]
]  # fmt: skip
LOOKUPS = [
    pytest.param(variable["definition"], id=f"{name}-{variable['name']}")
    for name, dashboard in sorted(DASHBOARDS.items())
    for variable in dashboard.get("templating", {}).get("list", [])
    if variable["type"] == "query"
]
# Of our own names and of those that Prometheus and its client library give.
METRIC = re.compile(r"\b(?:vigie[:_]|process_|scrape_|up\b)[a-zA-Z0-9_:]*")
# Nothing failed in this way; the server names the code only when something does.
ONLY_AFTER_TROUBLE = {"vigie_reload_failures_total"}


class Visitors(Clients):
    """A client that goes on asking, so that rates are not of the past."""

    def __init__(self, stack: ObservedStack) -> None:
        super().__init__(1)
        self._stack = stack

    def send(self, number: int) -> None:
        self._stack.ask()
        self.pause(0.1)


@pytest.fixture(scope="module")
def stack(journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedStack]:
    with observed(journey, tmp_path_factory.mktemp("observed")) as stack:
        stack.be_refused()
        stack.ask_as_clients_do(20)
        stack.deliver()
        # What counts from zero has risen only where it was scraped before.
        stack.ask_as_clients_do(60)
        stack.be_refused()
        stack.watch()
        stack.ask_as_clients_do(6)
        stack.watch()
        with Visitors(stack):
            stack.prometheus.wait_until(
                lambda: bool(stack.prometheus.query("vigie_performance{source='measured'}")),
                "the report is scraped",
            )
            yield stack


def asked(stack: ObservedStack, expression: str) -> list[float]:
    """The values of an expression, once it has any."""
    found: list[Any] = []

    def has_values() -> bool:
        found[:] = [float(row["value"][1]) for row in stack.prometheus.query(expression)]
        return any(value == value for value in found)

    stack.prometheus.wait_until(has_values, expression, seconds=20)
    return found


@pytest.mark.parametrize("expression", QUERIES)
def test_every_panel_shows_data(stack: ObservedStack, expression: str) -> None:
    assert asked(stack, expression)


@pytest.mark.parametrize("definition", LOOKUPS)
def test_every_variable_has_values(stack: ObservedStack, definition: str) -> None:
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", definition)
    assert found
    assert stack.prometheus.ask(f"label/{found[2]}/values", **{"match[]": found[1]})


def rules() -> Iterator[dict[str, Any]]:
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def test_every_metric_that_is_named_exists(stack: ObservedStack) -> None:
    notes = [
        note["expr"]
        for dashboard in DASHBOARDS.values()
        for note in dashboard.get("annotations", {}).get("list", [])
    ]
    texts = [*notes, *(query.values[0] for query in QUERIES), *(rule["expr"] for rule in rules())]
    named = {name for text in texts for name in METRIC.findall(re.sub(r'"[^"]*"', "", text))}
    assert len(named) > 60
    known = set(stack.prometheus.ask("label/__name__/values"))
    assert named - known - ONLY_AFTER_TROUBLE == set()


def test_every_rule_is_evaluated_without_fault(stack: ObservedStack) -> None:
    groups = stack.prometheus.ask("rules")["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert len(found) == len(list(rules()))
    assert {rule["name"]: rule["lastError"] for rule in found if rule.get("lastError")} == {}
    # It is the only thing that is out of order here for which no rule waits.
    firing = [rule["name"] for rule in found if rule.get("state") == "firing"]
    assert "CanaryWithdrawn" in firing


def test_no_panel_could_name_a_patient_or_a_site(stack: ObservedStack, journey: Journey) -> None:
    labels = set(stack.prometheus.ask("labels"))
    assert not labels & {"patient", "patient_id", "image_id", "request_id", "site", "scanner"}
    values = json.dumps([stack.prometheus.ask(f"label/{label}/values") for label in labels])
    assert not re.search("north|south|harbour", values)


def test_a_dashboard_with_panels_of_every_kind_is_drawn(stack: ObservedStack) -> None:
    dashboard = DASHBOARDS["model-quality"]
    now = datetime.now(UTC)
    picture = render(dashboard, Source(stack.prometheus.url, now - timedelta(minutes=5), now))
    assert len(picture) < 200_000
    with Image.open(io.BytesIO(picture)) as image:
        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
        assert image.height > image.width * rows / 40
        # White alone would be nothing drawn.
        assert len(image.convert("RGB").getcolors(1 << 20) or []) > 50
