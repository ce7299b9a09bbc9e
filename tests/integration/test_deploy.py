"""The deployment files: each valid by its own tool, and all of one mind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.pacs.settings import PacsSettings
from service.settings import Settings
from tests import needs

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """What Compose itself makes of the file, with all profiles."""
    program = needs.program("docker-compose")
    command = [program, "--profile", "pacs", "--profile", "history", "config"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    services: dict[str, Any] = yaml.safe_load(result.stdout)["services"]
    return services


def test_the_service_is_confined(compose: dict[str, Any]) -> None:
    service = compose["pneumonia"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"] and service["healthcheck"] and service["tmpfs"] == ["/tmp"]  # noqa: S108


def test_the_service_takes_the_settings_it_is_given(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = compose["pneumonia"]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    changed = Settings().model_dump(exclude_unset=True)
    assert {f"PNEUMONIA_{name.upper()}" for name in changed} == set(environment)


def test_the_node_is_set_as_it_reads_its_settings_and_finds_its_peers(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = compose["pneumonia-pacs"]
    for name, value in node["environment"].items():
        monkeypatch.setenv(name, str(value))
    settings = PacsSettings()
    changed = {f"PNEUMONIA_PACS_{name.upper()}" for name in settings.model_fields_set}
    assert changed == set(node["environment"])
    archive = json.loads((DEPLOY / "pacs" / "orthanc.json").read_text(encoding="utf-8"))
    assert archive["DicomModalities"]["pneumonia"] == [
        settings.aet,
        "pneumonia-pacs",
        settings.port,
    ]
    assert settings.pacs_host in compose
    assert (settings.pacs_aet, settings.pacs_port) == (archive["DicomAet"], archive["DicomPort"])
    assert archive["DicomAet"] in settings.calling_aets
    assert f":{settings.folder}" in node["volumes"][0]
    assert node["build"]["target"] == "pacs"
    scraped = _read(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in scraped}
    assert targets["pneumonia-pacs"] == [f"pneumonia-pacs:{settings.monitoring_port}"]


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = needs.program("systemd-analyze", "systemd")
    text = (DEPLOY / "pacs" / "pneumonia-pacs.service").read_text(encoding="utf-8")
    [line] = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    python, *words = line.removeprefix("ExecStart=").split()
    assert words == ["-m", "service", "pacs", "serve"]
    unit = tmp_path / "pneumonia-pacs.service"
    unit.write_text(text.replace(python, sys.executable))
    result = subprocess.run([program, "verify", unit], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert unit.name not in result.stderr


def test_only_this_machine_reaches_the_published_ports(compose: dict[str, Any]) -> None:
    ports = [port for service in compose.values() for port in service["ports"]]
    assert ports
    assert all(str(port).startswith("127.0.0.1:") for port in ports)


def test_every_image_that_is_fetched_has_a_version(compose: dict[str, Any]) -> None:
    fetched = [service["image"] for service in compose.values() if "build" not in service]
    assert fetched
    assert all(image.rpartition(":")[2][:1] in "v0123456789" and ":" in image for image in fetched)


def test_every_file_that_is_mounted_exists(compose: dict[str, Any]) -> None:
    volumes = [volume for service in compose.values() for volume in service.get("volumes", [])]
    sources = [str(volume).partition(":")[0] for volume in volumes]
    paths = [Path(source) for source in sources if "/" in source]
    assert paths
    assert all(path.is_dir() for path in paths)


def test_grafana_finds_the_source_and_the_dashboards(compose: dict[str, Any]) -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    [source] = _read(provisioning / "datasources" / "prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = _read(provisioning / "dashboards" / "dashboards.yml")["providers"]
    folder = provider["options"]["path"]
    grafana = compose["grafana"]
    assert any(f"{DASHBOARDS[0].parent}:{folder}" in volume for volume in grafana["volumes"])
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in [f"{folder}/{path.name}" for path in DASHBOARDS]
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        sources = [panel["datasource"] for panel in dashboard["panels"]]
        sources += [
            target["datasource"] for panel in dashboard["panels"] for target in panel["targets"]
        ]
        assert {entry["uid"] for entry in sources} == {source["uid"]}


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content
