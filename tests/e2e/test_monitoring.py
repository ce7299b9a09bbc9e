"""A real Prometheus on the real service, asked everything the dashboard and the alerts ask."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests import needs
from tests.images import image_bytes
from tests.process import ServiceProcess, free_port, service_process
from tests.waiting import PATIENCE_SECONDS, wait_until

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "pneumonia.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
# what Grafana puts in before it asks; here data is scraped every second
VARIABLES = {"$__rate_interval": "2m", "$instance": ".*", "$stage": "total"}
METRIC = re.compile(r"\b(?:pneumonia|process)_[a-z_]+\b")

PANELS = [
    (panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]
]
RULES = [(rule["alert"], rule["expr"]) for group in ALERTS["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def service(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service that has answered an image and refused one."""
    with service_process(tiny_model, tmp_path_factory.mktemp("service")) as running:
        send_some(running)
        yield running


@pytest.fixture(scope="module")
def prometheus(service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus with the shipped configuration, but for its target and pace."""
    program = needs.program("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    [job] = config["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{service.port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copy(DEPLOY / "prometheus" / "alerts.yml", folder)
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process:
        try:
            url = f"http://{address}"
            wait_for_scrapes(url, 2)
            send_some(service)  # after a scrape, so that there is a rate
            wait_for_scrapes(url, 4)
            yield url
        finally:
            process.terminate()


@pytest.mark.parametrize(("name", "query"), PANELS + RULES)
def test_every_query_names_metrics_the_service_has(
    name: str, query: str, service: ServiceProcess
) -> None:
    named = set(METRIC.findall(query))
    assert named or name == "PneumoniaDown"  # which asks Prometheus about its own `up`
    lines = service.get("/metrics").text.splitlines()
    exposed = {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}
    assert named <= exposed


@pytest.mark.parametrize(("title", "query"), PANELS)
def test_every_panel_shows_something(title: str, query: str, prometheus: str) -> None:
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    assert ask(prometheus, query), title


def test_the_alerts_are_loaded_and_none_is_raised(prometheus: str) -> None:
    groups = httpx.get(f"{prometheus}/api/v1/rules", timeout=PATIENCE_SECONDS).json()["data"][
        "groups"
    ]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert set(rules) == {name for name, _ in RULES}
    assert {rule["health"] for rule in rules.values()} == {"ok"}
    raised = [alert for rule in rules.values() for alert in rule["alerts"]]
    assert not any(alert["state"] == "firing" for alert in raised)


def send_some(service: ServiceProcess) -> None:
    """One image that is answered, one file that is refused."""
    for content, status in ((image_bytes(), 200), (b"no image", 415)):
        answer = service.post("/predict", files={"file": content})
        assert answer.status_code == status


def ask(prometheus: str, query: str) -> list[Any]:
    """What Prometheus answers to a query that it understands."""
    answer = httpx.get(
        f"{prometheus}/api/v1/query", params={"query": query}, timeout=PATIENCE_SECONDS
    )
    assert answer.status_code == 200, answer.text
    result: list[Any] = answer.json()["data"]["result"]
    return result


def wait_for_scrapes(prometheus: str, count: int) -> None:
    """Wait until Prometheus listens and has scraped the service so often."""

    def scraped() -> bool:
        try:
            [scrapes] = ask(prometheus, 'sum_over_time(up{job="pneumonia"}[5m])')
        except (httpx.ConnectError, AssertionError, ValueError):
            return False  # it does not listen yet, is not ready yet, or has not scraped yet
        return int(scrapes["value"][1]) >= count

    wait_until(scraped, f"Prometheus scraped the service {count} times")
