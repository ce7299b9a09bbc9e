"""A real Prometheus on the real service and node, asked what dashboards and alerts ask."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from service.runtime.baseline import Baseline
from tests import needs
from tests.dicom import file_bytes
from tests.images import image_bytes
from tests.pacs import Node, xray
from tests.process import ServiceProcess, free_port, service_process
from tests.waiting import PATIENCE_SECONDS, wait_until

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
DASHBOARDS = [
    json.loads(path.read_text()) for path in sorted((DEPLOY / "grafana" / "dashboards").iterdir())
]
RULE_FILES = ("alerts.yml", "drift.yml", "pacs.yml")
GROUPS = [
    group
    for name in RULE_FILES
    for group in yaml.safe_load((DEPLOY / "prometheus" / name).read_text())["groups"]
]
# what Grafana puts in before it asks; here data is scraped every second
VARIABLES = {"$__rate_interval": "2m", "$instance": ".*", "$stage": "total"}
METRIC = re.compile(r"\b(?:pneumonia|process)_[a-z_]+\b")
RECORDED = re.compile(r"\bpneumonia:[a-z_:]+")

PANELS = [
    (panel["title"], target["expr"])
    for dashboard in DASHBOARDS
    for panel in dashboard["panels"]
    for target in panel["targets"]
]
RULES = [
    (rule.get("alert") or rule["record"], rule["expr"])
    for group in GROUPS
    for rule in group["rules"]
]


@pytest.fixture(scope="module")
def service(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service with a baseline that has answered an image and refused one."""
    folder = tmp_path_factory.mktemp("service")
    counts = {"0.5": 900.0, "+Inf": 1000.0}
    baseline = Baseline(
        created=datetime.now(UTC),
        model="tiny",
        version="1.0",
        model_sha256=hashlib.sha256(tiny_model.read_bytes()).hexdigest(),
        source="a test",
        counts={"probability": counts, "refused": {"0": 990.0, "+Inf": 1000.0}},
    )
    (folder / "baseline.json").write_text(baseline.model_dump_json())
    with service_process(tiny_model, folder, baseline=folder / "baseline.json") as running:
        send_some(running)
        yield running


@pytest.fixture(scope="module")
def node(service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A DICOM node that waits for images."""
    folder = tmp_path_factory.mktemp("node") / "node"
    with Node(folder, {"service_url": service.url}).running() as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(
    service: ServiceProcess, node: Node, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a Prometheus with the shipped configuration, but for its targets and pace."""
    program = needs.program("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    ports = {"pneumonia": service.port, "pneumonia-pacs": node.monitoring_port}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports.pop(job['job_name'])}"]}]
    assert not ports
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    for name in RULE_FILES:
        rules = yaml.safe_load((DEPLOY / "prometheus" / name).read_text())
        for group in rules["groups"]:
            group.pop("interval", None)
        (folder / name).write_text(yaml.safe_dump(rules))
    with prometheus_process(program, folder, "prometheus.yml") as url:
        wait_for_scrapes(url, 2)
        send_some(service)  # after a scrape, so that there is a rate
        wait_for_scrapes(url, 4)
        for recorded in ("pneumonia:drift", "pneumonia:device:percentile_window"):
            wait_until(partial(ask, url, recorded), f"the rules record {recorded}")
        yield url


@contextmanager
def prometheus_process(program: str, folder: Path, config: str) -> Iterator[str]:
    """A running Prometheus; yields its address."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={folder / config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://{address}"
        finally:
            process.terminate()


@pytest.mark.parametrize(("name", "query"), PANELS + RULES)
def test_every_query_names_metrics_that_there_are(
    name: str, query: str, service: ServiceProcess, node: Node
) -> None:
    named = set(METRIC.findall(query))
    recorded = set(RECORDED.findall(query))
    assert recorded <= {rule for rule, _ in RULES}
    # which ask about Prometheus' own `up`
    assert named or recorded or name in ("PneumoniaDown", "PneumoniaPacsDown")
    lines = (service.get("/metrics").text + node.metrics()).splitlines()
    exposed = {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}
    assert named <= exposed


@pytest.mark.parametrize(("title", "query"), PANELS)
def test_every_panel_shows_something(title: str, query: str, prometheus: str) -> None:
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    # a rate takes two scrapes, and each target has its own moment for them
    wait_until(lambda: ask(prometheus, query), title)


def test_the_alerts_are_loaded_and_none_is_raised(prometheus: str) -> None:
    def rules() -> dict[str, dict[str, Any]]:
        answer = httpx.get(f"{prometheus}/api/v1/rules", timeout=PATIENCE_SECONDS).json()
        return {rule["name"]: rule for group in answer["data"]["groups"] for rule in group["rules"]}

    assert set(rules()) == {name for name, _ in RULES}
    # of one that was not evaluated yet it is unknown
    wait_until(lambda: {rule["health"] for rule in rules().values()} == {"ok"}, "all are evaluated")
    raised = [alert for rule in rules().values() for alert in rule.get("alerts", [])]
    assert not any(alert["state"] == "firing" for alert in raised)


def test_what_is_recorded_outlives_the_images(prometheus: str, tmp_path: Path) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "history.yml").read_text())
    config["global"] = {"scrape_interval": "1s"}
    [job] = config["scrape_configs"]
    job["static_configs"] = [{"targets": [prometheus.removeprefix("http://")]}]
    (tmp_path / "history.yml").write_text(yaml.safe_dump(config))
    program = needs.program("prometheus")
    with prometheus_process(program, tmp_path, "history.yml") as history:

        def kept(query: str) -> bool:
            with suppress(httpx.TransportError, AssertionError, ValueError):
                return bool(ask(history, query))
            return False

        for query in ("pneumonia:drift", "pneumonia:images:increase", "pneumonia_baseline_share"):
            wait_until(partial(kept, query), query)
        assert not ask(history, "pneumonia_requests_total")


def test_a_baseline_is_frozen_from_prometheus(
    prometheus: str, service: ServiceProcess, tiny_model: Path, tmp_path: Path
) -> None:
    content = image_bytes(grey=110)
    asked = ask(prometheus, "sum(pneumonia_predictions_total)")[0]["value"][1]
    with httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS) as client:
        for _ in range(220):
            assert client.post("/predict", content=content).status_code == 200

    def counted() -> bool:
        [found] = ask(prometheus, "sum(increase(pneumonia_predictions_total[1d]))")
        return float(found["value"][1]) >= 210

    wait_until(counted, f"more than {asked} answers are counted")
    out = tmp_path / "baseline.json"
    words = ["baseline", "--prometheus", prometheus, "--days", "1", "--model", str(tiny_model)]
    done = subprocess.run(
        [sys.executable, "-m", "service", *words, "--out", str(out)],
        cwd=DEPLOY.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    baseline = Baseline.read(out)
    assert baseline.images("refused") >= 210
    probability = baseline.counts["probability"]
    assert probability["0.4"] / probability["+Inf"] < 0.1 < probability["0.5"] / probability["+Inf"]
    assert "PNEUMONIA_BASELINE" in done.stdout


def send_some(service: ServiceProcess) -> None:
    """Two images that are answered, one of them DICOM, and a file that is refused."""
    for content, status in ((image_bytes(), 200), (file_bytes(xray(1)), 200), (b"no image", 415)):
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
        except (httpx.TransportError, AssertionError, ValueError):
            return False  # it does not listen yet, is not ready yet, or has not scraped yet
        return int(scrapes["value"][1]) >= count

    wait_until(scraped, f"Prometheus scraped the service {count} times")
