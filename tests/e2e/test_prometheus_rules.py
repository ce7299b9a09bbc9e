"""Prometheus' own tool on its configuration, and on the rules with series made for them."""

import subprocess

import pytest
import yaml

from tests import needs
from tests.process import ROOT

DEPLOY = ROOT / "deploy"


def test_prometheus_takes_its_configuration_and_rules() -> None:
    program = needs.program("promtool", "prometheus")
    for name in ("prometheus.yml", "history.yml"):
        config = DEPLOY / "prometheus" / name
        subprocess.run([program, "check", "config", config], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["alerts", "drift", "pacs"])
def test_every_alert_is_raised_by_its_trouble_and_by_nothing_else(name: str) -> None:
    program = needs.program("promtool", "prometheus")
    tests = DEPLOY / "prometheus" / f"{name}_test.yml"
    result = subprocess.run([program, "test", "rules", tests], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    rules = yaml.safe_load((DEPLOY / "prometheus" / f"{name}.yml").read_text(encoding="utf-8"))
    alerts = {
        rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule
    }
    tested = {
        entry["alertname"]
        for test in yaml.safe_load(tests.read_text(encoding="utf-8"))["tests"]
        for entry in test.get("alert_rule_test", ())
        if entry.get("exp_alerts")
    }
    assert tested == alerts
    documented = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [alert for alert in sorted(alerts) if f"`{alert}`" not in documented] == []
