"""The manifests for Kubernetes: valid, as the settings of the service have it, and rendered."""

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service import __version__
from service.pacs.settings import PacsSettings
from service.runtime.memory import most_workers
from service.settings import Settings
from tests import needs
from tests.client import AppClient

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "deploy" / "kubernetes"
# the oldest that has all of the kinds, and the latest that is known
VERSIONS = ("1.25", kubernetes_validate.latest_version())
RENDERED = ("base", "overlays/site", "overlays/monitoring", "kserve")
# kinds of other makers, which Kubernetes' own schemas do not describe
FOREIGN = {"ServiceMonitor", "InferenceService"}
GIBIBYTE = 2**30


def read(path: str) -> dict[str, Any]:
    manifest: dict[str, Any] = yaml.safe_load((FOLDER / path).read_text())
    return manifest


DEPLOYMENT = read("base/service/deployment.yaml")
POD = DEPLOYMENT["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
MANIFESTS = [*sorted((FOLDER / "base" / "service").glob("*.yaml")), FOLDER / "secret.yaml"]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the service makes of the container's environment."""
    for entry in CONTAINER["env"]:
        monkeypatch.setenv(entry["name"], entry["value"])
    found = Settings()
    changed = {f"PNEUMONIA_{name.upper()}" for name in found.model_fields_set}
    assert changed == {entry["name"] for entry in CONTAINER["env"]}
    return found


def validate(manifests: list[dict[str, Any]]) -> None:
    own = [manifest for manifest in manifests if manifest["kind"] not in FOREIGN]
    for manifest in own:
        for version in VERSIONS:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_kubernetes_takes_every_manifest() -> None:
    assert len(MANIFESTS) == 6
    validate([yaml.safe_load(path.read_text()) for path in MANIFESTS])


def test_a_wrong_manifest_is_noticed() -> None:
    wrong = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate([wrong])


@pytest.mark.parametrize("folder", RENDERED)
def test_kubectl_renders_every_folder(folder: str) -> None:
    kubectl = needs.program("kubectl", "kubernetes-client")
    done = subprocess.run([kubectl, "kustomize", FOLDER / folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    manifests = list(yaml.safe_load_all(done.stdout))
    validate(manifests)
    by_kind = {manifest["kind"]: manifest for manifest in manifests}
    if folder == "overlays/site":
        assert {manifest["metadata"]["namespace"] for manifest in manifests} == {"radiology"}
        [container] = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
        assert container["image"].startswith("images.example/")
        assert by_kind["HorizontalPodAutoscaler"]["spec"]["maxReplicas"] == 40
    if folder == "overlays/monitoring":
        metrics = by_kind["HorizontalPodAutoscaler"]["spec"]["metrics"]
        assert [metric["type"] for metric in metrics] == ["Pods", "Resource"]


def test_ports_and_probes_are_the_services_own(client: AppClient, settings: Settings) -> None:
    assert CONTAINER["ports"] == [{"name": "http", "containerPort": settings.port}]
    [port] = read("base/service/service.yaml")["spec"]["ports"]
    assert port["targetPort"] == "http"
    paths = {kind: CONTAINER[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness")}
    assert {probe["path"] for probe in paths.values()} == {"/health/ready"}
    live = CONTAINER["livenessProbe"]["httpGet"]
    for probe in (*paths.values(), live):
        assert probe["port"] == "http"
        assert client.get(probe["path"]).status_code == 200
    client.app.state.runtime.drain()
    # a pod that drains is taken out, and not killed for it
    assert client.get(paths["readiness"]["path"]).status_code == 503
    assert client.get(live["path"]).status_code == 200


def test_the_grace_period_is_longer_than_the_drain(settings: Settings) -> None:
    grace = POD["terminationGracePeriodSeconds"]
    assert grace > settings.drain_delay_seconds + settings.drain_seconds + 1
    readiness = CONTAINER["readinessProbe"]
    assert settings.drain_delay_seconds > 2 * readiness["periodSeconds"]
    assert settings.drain_seconds >= settings.deadline_seconds


def test_limits_are_whole_cores_and_have_memory_for_their_workers(settings: Settings) -> None:
    resources = CONTAINER["resources"]
    assert resources["requests"] == resources["limits"]
    cores = int(resources["limits"]["cpu"])
    memory = int(resources["limits"]["memory"].removesuffix("Gi")) * GIBIBYTE
    wanted = settings.model_copy(update={"workers": cores})
    assert most_workers(wanted, memory) == cores


def test_the_container_is_confined_as_the_image_is_made() -> None:
    user = next(
        line.split()[1].partition(":")[0]
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("USER ")
    )
    assert POD["securityContext"]["runAsUser"] == int(user)
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (POD["automountServiceAccountToken"], POD["enableServiceLinks"]) == (False, False)
    assert CONTAINER["image"] == f"pneumonia-detection:{__version__}"


def test_keys_come_from_the_secret(settings: Settings) -> None:
    [mount] = CONTAINER["volumeMounts"]
    [volume] = POD["volumes"]
    secret = read("secret.yaml")
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    [name] = secret["stringData"]
    assert settings.api_keys_file == Path(mount["mountPath"], name)
    # as it is in the repository, the service would not start, and so not stand open
    lines = secret["stringData"][name].splitlines()
    assert all(line.startswith("#") for line in lines)


def test_what_selects_pods_selects_these() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    name = DEPLOYMENT["metadata"]["name"]
    policy = read("base/service/networkpolicy.yaml")["spec"]
    selectors = [
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        POD["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
        read("base/service/service.yaml")["spec"]["selector"],
        read("base/service/poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"],
        policy["podSelector"]["matchLabels"],
    ]
    assert all(selector == labels for selector in selectors)
    assert policy["ingress"][0]["ports"] == [{"protocol": "TCP", "port": "http"}]
    autoscaler = read("base/service/horizontalpodautoscaler.yaml")["spec"]
    assert autoscaler["scaleTargetRef"]["name"] == name
    assert autoscaler["minReplicas"] == DEPLOYMENT["spec"]["replicas"]


def test_the_alerts_know_the_jobs_that_are_scraped(client: AppClient) -> None:
    monitor = read("overlays/monitoring/servicemonitor.yaml")["spec"]
    [expression] = monitor["selector"]["matchExpressions"]
    assert (expression["key"], expression["operator"]) == (monitor["jobLabel"], "In")
    endpoints = {endpoint["port"]: endpoint["path"] for endpoint in monitor["endpoints"]}
    assert client.get(endpoints["http"]).status_code == 200
    files = {"base/service/service.yaml": "alerts.yml", "pacs/service.yaml": "pacs.yml"}
    for (path, rules), job in zip(files.items(), expression["values"], strict=True):
        service = read(path)
        assert service["metadata"]["labels"] == {monitor["jobLabel"]: job}
        scraped = endpoints.keys() & {port["name"] for port in service["spec"]["ports"]}
        assert len(scraped) == 1
        alerts = (ROOT / "deploy" / "prometheus" / rules).read_text()
        assert f'up{{job="{job}"}}' in alerts


def test_the_autoscaler_asks_for_a_metric_that_there_is(
    client: AppClient, settings: Settings
) -> None:
    [pods, _] = read("overlays/monitoring/queued-work.yaml")["spec"]["metrics"]
    name = pods["pods"]["metric"]["name"]
    assert f"\n{name} " in client.get("/metrics").text
    milliseconds = int(pods["pods"]["target"]["averageValue"].removesuffix("m"))
    assert milliseconds < settings.max_wait_seconds * 1000
    documented = (ROOT / "docs" / "kubernetes.md").read_text()
    assert name in documented


def test_kserve_runs_the_same_pod() -> None:
    predictor = read("kserve/inferenceservice.yaml")["spec"]["predictor"]
    own = ("minReplicas", "maxReplicas", "scaleMetric", "scaleTarget")
    pod = {key: value for key, value in predictor.items() if key not in own}
    [container] = pod.pop("containers")
    assert pod == {key: value for key, value in POD.items() if key != "containers"}
    assert container == {**CONTAINER, "name": "kserve-container"}


def test_the_dicom_node_is_set_as_it_reads_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    node = read("pacs/statefulset.yaml")
    validate([node, read("pacs/service.yaml")])
    pod = node["spec"]["template"]["spec"]
    [container] = pod["containers"]
    for entry in container["env"]:
        monkeypatch.setenv(entry["name"], entry.get("value", "a secret"))
    settings = PacsSettings()
    changed = {f"PNEUMONIA_PACS_{name.upper()}" for name in settings.model_fields_set}
    assert changed == {entry["name"] for entry in container["env"]}

    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"dicom": settings.port, "monitoring": settings.monitoring_port}
    for kind, path in (("startup", "live"), ("readiness", "ready"), ("liveness", "live")):
        probe = container[f"{kind}Probe"]["httpGet"]
        assert probe == {"path": f"/health/{path}", "port": "monitoring"}
    assert pod["terminationGracePeriodSeconds"] > settings.service_seconds
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    [claim] = node["spec"]["volumeClaimTemplates"]
    assert Path(mounts[claim["metadata"]["name"]]) == settings.folder
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert pod["securityContext"] == POD["securityContext"]
    assert container["securityContext"] == CONTAINER["securityContext"]

    # it may ask the service
    service = read("base/service/service.yaml")["metadata"]["name"]
    assert settings.service_url == f"http://{service}"
    [rule] = read("base/service/networkpolicy.yaml")["spec"]["ingress"]
    wanted = rule["from"][0]["podSelector"]["matchLabels"].items()
    assert wanted <= node["spec"]["template"]["metadata"]["labels"].items()


def test_the_rules_of_prometheus_become_a_resource_by_the_documented_command() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    start = text.index("for name in alerts drift pacs")
    command = text[start : text.index(" | kubectl apply", start)]
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    resources = list(yaml.safe_load_all(done.stdout))
    assert [resource["kind"] for resource in resources] == ["PrometheusRule"] * 3
    for resource, name in zip(resources, ("alerts", "drift", "pacs"), strict=True):
        rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / f"{name}.yml").read_text())
        assert resource["spec"] == rules
