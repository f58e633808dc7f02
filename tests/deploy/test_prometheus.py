"""Prometheus' configuration against the parts that it scrapes."""

import yaml

from ml.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "deploy" / "prometheus"


def test_every_target_is_a_service_of_the_compose_file():
    services = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())["services"]
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]

    for job in jobs:
        for target in job["static_configs"][0]["targets"]:
            host, _, port = target.partition(":")
            assert services[host]["ports"][0].endswith(f":{port}")


def test_every_alert_says_what_is_wrong():
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]

    for rule in groups[0]["rules"]:
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in {"page", "ticket"}
