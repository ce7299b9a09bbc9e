"""Settings from the environment."""

import pytest
from pydantic import ValidationError

from service.settings import Settings, ignored_variables


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "0" * 63 + "a"
    monkeypatch.setenv("PNEUMONIA_PORT", "9000")
    monkeypatch.setenv("PNEUMONIA_API_KEY_SHA256", f"{digest}, {digest}")
    monkeypatch.setenv("PNEUMONIA_CORS_ORIGINS", "")
    settings = Settings()
    assert settings.port == 9000
    assert settings.api_key_sha256 == (digest, digest)
    assert settings.cors_origins == ()


def test_keyless_means_this_machine_only() -> None:
    assert Settings().host == "127.0.0.1"


def test_every_number_has_bounds() -> None:
    for name, field in Settings.model_fields.items():
        if field.annotation in (int, float):
            assert field.metadata, name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("WORKERS", "0"),
        ("MAX_BYTES", "lots"),
        ("INPUT_CHECK", "ignore"),
        ("MODEL_SHA256", "ABC"),
        ("API_KEY_SHA256", "the key itself"),
        ("API_KEY_SHA256", " , "),
        ("API_KEYS", "ris:the key itself"),
        ("API_KEYS", "0" * 64),
        ("DEADLINE_SECONDS", "nan"),
        ("DRAIN_SECONDS", "-1"),
    ],
)
def test_values_out_of_bounds(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PNEUMONIA_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_a_service_link_of_kubernetes_is_not_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMONIA_PORT", "tcp://10.96.12.7:9000")
    monkeypatch.setenv("PNEUMONIA_SERVICE_HOST", "10.96.12.7")
    assert Settings().port == 8000
    assert Settings(port=8001).port == 8001
    assert ignored_variables() == ["PNEUMONIA_PORT", "PNEUMONIA_SERVICE_HOST"]


def test_names_that_are_no_settings_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMONIA_WORKERS", "3")
    monkeypatch.setenv("pneumonia_max_batch", "3")
    monkeypatch.setenv("PNEUMONIA_API_KEY_SHA265", "misspelt")
    monkeypatch.setenv("pneumonia_wrokers", "misspelt")
    assert ignored_variables() == ["PNEUMONIA_API_KEY_SHA265", "pneumonia_wrokers"]
