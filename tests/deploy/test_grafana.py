"""Grafana's dashboards against what they are built from, the runbook and the compose file."""

import itertools
import json
import re
import sys

import pytest
import yaml

from ml.settings import PROJECT_ROOT
from tests.deploy.test_prometheus import ALERTS, sections

GRAFANA = PROJECT_ROOT / "deploy" / "grafana"
sys.path.insert(0, str(GRAFANA))
from build import built  # noqa: E402
from kinds import panel_of  # noqa: E402

DASHBOARDS = {path.name: path for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
PANELS = [
    pytest.param(panel, id=f"{name}-{panel['title']}")
    for name, path in DASHBOARDS.items()
    for panel in json.loads(path.read_text())["panels"]
    if panel.get("targets")
]


def test_the_files_are_what_is_built():
    kept = {name: path.read_text() for name, path in DASHBOARDS.items()}
    assert kept == built(), "run: uv run python deploy/grafana/build.py"


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_says_what_it_means_and_what_to_do(panel):
    assert len(panel["description"]) > 40
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]


def test_every_alert_is_linked_from_a_panel():
    links = {link["title"] for panel in PANELS for link in panel.values[0]["links"]}
    assert links == {f"Runbook: {rule['alert']}" for rule in ALERTS}


def test_a_link_leads_to_the_section_it_names():
    runbook = json.loads(DASHBOARDS["runbook.json"].read_text())
    texts = {f"panel-{panel['id']}": panel for panel in runbook["panels"]}
    assert {panel["title"] for panel in texts.values()} == set(sections())
    for panel in PANELS:
        for link in panel.values[0]["links"]:
            dashboard, _, place = link["url"].partition("?viewPanel=")
            assert dashboard == f"/d/{runbook['uid']}"
            assert texts[place]["title"] == link["title"].removeprefix("Runbook: ")
            assert "**Action.**" in texts[place]["options"]["content"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_panels_overlap(name):
    panels = json.loads(DASHBOARDS[name].read_text())["panels"]
    places = [
        (panel["id"], x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len({(x, y) for _, x, y in places}) == len(places)
    assert max(x for _, x, _ in places) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_a_key_that_no_panel_has_is_refused():
    panel = {"title": "t", "kind": "stat", "width": 4, "about": "a", "queries": {"expr": "1"}}
    assert panel_of(panel)["type"] == "stat"
    with pytest.raises(ValueError, match="widht"):
        panel_of(panel | {"widht": 4})


def test_panels_that_the_runbook_names_exist():
    text = " ".join((PROJECT_ROOT / "docs" / "operations.md").read_text().split())
    named = re.findall(r'\*(Service|Model quality|Data|Pipeline)\*, "([^"]+)"', text)
    assert len(named) >= 7
    titles = {
        dashboard["title"]: {panel["title"] for panel in dashboard["panels"]}
        for path in DASHBOARDS.values()
        for dashboard in [json.loads(path.read_text())]
    }
    for dashboard, panel in named:
        assert panel in titles[f"Vigie: {dashboard.lower()}"]


def test_the_compose_file_provisions_grafana_with_them():
    services = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())["services"]
    mounts = dict(
        volume.removesuffix(":ro").split(":")
        for volume in services["grafana"]["volumes"]
        if volume.startswith("./")
    )
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/vigie.yaml").read_text())
    assert mounts["./deploy/grafana/dashboards"] == provider["providers"][0]["options"]["path"]
    assert mounts["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    assert "prometheus" in services["grafana"]["depends_on"]
