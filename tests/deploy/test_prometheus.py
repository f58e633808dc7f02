"""Prometheus' configuration and rules, against the parts that it scrapes and the runbook."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ml.settings import PROJECT_ROOT
from serving.outcome import BUDGETED_ROUTES

FOLDER = PROJECT_ROOT / "deploy" / "prometheus"
OPERATIONS = PROJECT_ROOT / "docs" / "operations.md"
RULE_FILES = sorted((FOLDER / "rules").glob("*.yml"))
TEST_FILES = sorted((FOLDER / "tests").glob("*.yml"))

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is missing"
)


def rules_in(path: Path):
    groups = yaml.safe_load(path.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


RULES = [rule for path in RULE_FILES for rule in rules_in(path)]
ALERTS = [rule for rule in RULES if "alert" in rule]


def named(rule):
    return "-".join([rule["alert"], rule["labels"]["severity"], rule["labels"].get("window", "")])


def sections():
    """Heading → text under it."""
    parts = re.split(r"^### (.+)$", OPERATIONS.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_target_is_a_service_of_the_compose_file():
    services = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())["services"]
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]

    for job in jobs:
        targets = [
            target for found in job.get("static_configs", []) for target in found["targets"]
        ] + [
            f"{name}:{found['port']}"
            for found in job.get("dns_sd_configs", [])
            for name in found["names"]
        ]
        assert targets
        for target in targets:
            host, _, port = target.partition(":")
            open_ports = [*services[host].get("ports", []), *services[host].get("expose", [])]
            assert open_ports[0].rpartition(":")[2] == port


@pytest.mark.parametrize("rule", ALERTS, ids=named)
def test_every_alert_says_what_is_wrong_who_is_called_and_what_to_do(rule):
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["labels"]["severity"] in {"page", "ticket"}
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert PROJECT_ROOT / file == OPERATIONS
    assert anchor == rule["alert"].lower()
    section = sections()[rule["alert"]]
    for part in ("**Symptom.** ", "**Check.** ", "**Action.** "):
        assert len(section.partition(part)[2].partition("**")[0]) > 20, part


def test_no_section_of_the_runbook_is_about_an_alert_that_is_no_more():
    assert set(sections()) == {rule["alert"] for rule in ALERTS}


def test_links_within_the_runbook_lead_somewhere():
    anchors = {heading.lower() for heading in sections()}
    assert set(re.findall(r"\]\(#([^)]+)\)", OPERATIONS.read_text())) <= anchors


def test_the_objective_is_about_the_routes_that_the_server_says():
    patterns = set(re.findall(r'route=~"([^"]+)"', (FOLDER / "rules/objectives.yml").read_text()))
    (pattern,) = patterns
    assert all(re.fullmatch(pattern, route) for route in BUDGETED_ROUTES)
    assert not re.fullmatch(pattern, "/health/ready")


def test_windows_of_an_objective_differ_in_their_length_alone():
    families: dict[str, set[str]] = {}
    for rule in RULES:
        family, _, window = rule.get("record", "").rpartition("_")
        if family.endswith("_errors:ratio"):
            families.setdefault(family, set()).add(rule["expr"].replace(f"[{window}]", "[window]"))
    assert {len(texts) for texts in families.values()} == {1}
    assert len(families) == 2


@needs_promtool
def test_promtool_accepts_rules_and_configuration(tmp_path):
    checked = subprocess.run(
        ["promtool", "check", "rules", *map(str, RULE_FILES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    # The paths are those of the container.
    text = (FOLDER / "prometheus.yml").read_text()
    local = tmp_path / "prometheus.yml"
    key = tmp_path / "metrics.key"
    key.touch()
    local.write_text(
        text.replace("/etc/prometheus", str(FOLDER)).replace("/run/keys/metrics.key", str(key))
    )
    checked = subprocess.run(
        ["promtool", "check", "config", str(local)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path):
    checked = subprocess.run(
        ["promtool", "test", "rules", path.name],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def seen_in(case) -> tuple[set[str], set[str]]:
    """Alerts that a case sees firing at some time, and those that it sees silent at another."""
    at_each_time = [
        {
            "-".join(
                [
                    found["alertname"],
                    found.get("severity") or _only_severity(found["alertname"]),
                    found.get("window", ""),
                ]
            )
            for sample in check.get("exp_samples") or []
            for found in [dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))]
        }
        for check in case["promql_expr_test"]
        if "ALERTS" in check["expr"]
    ]
    firing = set().union(*at_each_time)
    return firing, {name for name in firing for names in at_each_time if name not in names}


def _only_severity(alert: str) -> str:
    severities = {rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == alert}
    return severities.pop() if len(severities) == 1 else ""


def test_every_alert_is_seen_firing_and_seen_silent():
    firing, silent = set(), set()
    for path in TEST_FILES:
        for case in yaml.safe_load(path.read_text())["tests"]:
            seen = seen_in(case)
            firing |= seen[0]
            silent |= seen[1]
    assert {named(rule) for rule in ALERTS} == firing
    assert firing == silent
