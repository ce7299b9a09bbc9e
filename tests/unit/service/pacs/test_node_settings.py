"""Settings of the node."""

import pytest

from service.errors import StartError
from service.pacs.settings import PacsSettings, read_pacs_settings


def test_every_setting_says_what_it_means() -> None:
    assert len(PacsSettings.model_fields) > 40
    assert PacsSettings(calling_aets="CR1, CR2").calling_aets == ("CR1", "CR2")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"port": 70000}, "PNEUMONIA_PACS_PORT"),
        ({"aet": "A TITLE THAT IS TOO LONG"}, "PNEUMONIA_PACS_AET"),
        ({"aet": " "}, "PNEUMONIA_PACS_AET"),
        ({"calling_aets": "CR1,,CR2"}, "an entry of the list is empty"),
        ({"commitment_peers": "CR1"}, "AET=HOST:PORT"),
        ({"service_url": "service:8000"}, "PNEUMONIA_PACS_SERVICE_URL"),
        ({"webhook_url": "https://worklist/"}, "WEBHOOK_SECRET"),
        ({"send_by": "stow-rs"}, "DICOMWEB_URL"),
        ({"tls_certificate": "node.pem"}, "TLS_KEY"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(StartError, match=complaint):
        read_pacs_settings(**settings)


def test_the_address_for_commitment_is_that_of_the_title() -> None:
    settings = PacsSettings(commitment_peers=("CR1=10.0.0.1:104", "CR2=[::1]:105"))
    assert settings.commitment_address("CR1") == ("10.0.0.1", 104)
    assert settings.commitment_address("CR3") is None
