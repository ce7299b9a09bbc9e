"""All settings of the node, from the environment, each with its meaning and its bounds."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.environment import read_environment, split_list

PREFIX = "PNEUMONIA_PACS_"

AeTitle = Annotated[str, Field(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+\S*$")]
Words = Annotated[tuple[str, ...], NoDecode]
Port = Annotated[int, Field(ge=1, le=65535)]

ANYBODY = "*"


class PacsSettings(BaseSettings):
    """Settings of the node; ``PNEUMONIA_PACS_`` and the upper-case name set one.

    Raises:
        pydantic.ValidationError: a value is out of its bounds, of the wrong kind, or lacks another.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    folder: Path = Path("/var/lib/pneumonia-pacs")
    """Where images wait and where their states are kept; on a disk, and encrypted."""

    host: str = "127.0.0.1"
    """Address to listen on for DICOM; the container image sets 0.0.0.0."""

    port: int = Field(default=11112, ge=0, le=65535)
    """TCP port for DICOM; 0 takes any free one."""

    aet: AeTitle = "PNEUMONIA"
    """The node's application entity title; an association that calls another one is rejected."""

    calling_aets: Words = ()
    """Titles (comma separated) of those who may send; ``*`` lets anybody. Must be set."""

    sop_classes: Words = ()
    """UIDs (comma separated) of storage SOP classes taken beside CR and DX for presentation."""

    take_derived: bool = True
    """Whether images of type DERIVED\\PRIMARY are taken, as devices may call all that they have
    processed; even then not where they name as their source an image that is answered itself."""

    max_associations: int = Field(default=8, ge=1, le=256)
    """Most associations at one time; each may hold one object in memory."""

    max_object_bytes: int = Field(default=64 * 2**20, ge=2**16, le=2**31)
    """Largest object, in bytes; the association of a larger one is aborted."""

    network_seconds: float = Field(default=30, gt=0, le=3600)
    """Longest silence of a peer before its association is aborted."""

    object_seconds: float = Field(default=300, gt=0, le=86400)
    """Longest time that one object may take to arrive."""

    min_free_bytes: int = Field(default=64 * 2**20, ge=0, le=2**50)
    """Room that is left free in ``folder``; with less, no image is taken (status A700)."""

    tls_certificate: Path | None = None
    """Certificate chain (PEM) of the node; with it, DICOM is received over TLS only."""

    tls_key: Path | None = None
    """Private key (PEM) of ``tls_certificate``."""

    tls_ca: Path | None = None
    """Certificates (PEM) that peers' certificates must be signed by; senders must then have one."""

    commitment_peers: Words = ()
    """Where storage commitment is reported to, ``AET=HOST:PORT`` (comma separated); to others on
    the association that asked, while it lasts."""

    service_url: Url = "http://127.0.0.1:8000"
    """Where the service answers."""

    service_key: SecretStr | None = None
    """The API key for it, where it asks for one."""

    service_seconds: float = Field(default=60, gt=0, le=3600)
    """Longest time to wait for an answer of the service."""

    operating_point: str = Field(default="balanced", min_length=1, max_length=64)
    """Which of the model's operating points decides."""

    shadow_url: Url | None = None
    """A second service whose answers are kept beside the first's and never sent."""

    shadow_key: SecretStr | None = None
    """The API key for that one."""

    workers: int = Field(default=2, ge=1, le=64)
    """Images the service is asked about at the same time."""

    send_by: Literal["c-store", "stow-rs"] = "c-store"
    """How results are sent: to ``pacs_host``, or to ``dicomweb_url``."""

    pacs_host: str = "127.0.0.1"
    """Where results go by C-STORE."""

    pacs_port: Port = 104
    """TCP port there."""

    pacs_aet: AeTitle = "PACS"
    """Application entity title there."""

    pacs_tls: bool = False
    """Whether results go there over TLS; ``tls_ca`` says which certificates are trusted, and
    ``tls_certificate`` is shown where there is one."""

    dicomweb_url: Url | None = None
    """Root of the DICOMweb services of the PACS, for STOW-RS, and for QIDO-RS and WADO-RS of
    ``pneumonia pacs pull`` and ``reprocess``."""

    dicomweb_user: str = ""
    """User name there; empty: no authentication, or by token."""

    dicomweb_password: SecretStr | None = None
    """Password of that user; without a user, a bearer token."""

    send_uncertain: bool = True
    """Whether results of the decision ``uncertain`` are sent."""

    send_refused: bool = False
    """Whether a report is sent of images that the service refuses."""

    attempts: int = Field(default=10, ge=1, le=1000)
    """How often one image may fail before it is put aside as ``dead``; while a peer cannot be
    reached, images wait without that."""

    retry_seconds: float = Field(default=5, gt=0, le=3600)
    """Time before the second attempt; it doubles with each further one."""

    retry_max_seconds: float = Field(default=600, gt=0, le=86400)
    """Longest time between two attempts."""

    keep_image_days: float = Field(default=0, ge=0, le=3650)
    """How long an image is kept after its results are stored; 0: deleted at once."""

    keep_days: float = Field(default=90, gt=0, le=36500)
    """How long the rows of images that are over are kept, and the images of ``dead`` and
    ``conflict``."""

    webhook_url: Url | None = None
    """URL that is notified of each finished study."""

    webhook_secret: SecretStr | None = None
    """Key that signs these notifications; must be set with ``webhook_url``."""

    study_quiet_seconds: float = Field(default=30, ge=0, le=86400)
    """A study is finished when all of its images are over and none has come for so long."""

    monitoring_host: str = "127.0.0.1"
    """Address to listen on for health and metrics (HTTP)."""

    monitoring_port: int = Field(default=8010, ge=0, le=65535)
    """TCP port for them; 0 takes any free one."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is logged."""

    _split_lists = field_validator(
        "calling_aets", "sop_classes", "commitment_peers", mode="before"
    )(split_list)

    @field_validator("commitment_peers")
    @classmethod
    def _check_peers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            title, _, address = entry.partition("=")
            host, _, port = address.rpartition(":")
            if not title or not host or not port.isdecimal():
                raise ValueError("each entry must be AET=HOST:PORT")
        return value

    @model_validator(mode="after")
    def _check_pairs(self) -> "PacsSettings":
        if self.tls_certificate and not self.tls_key:
            raise ValueError("TLS_CERTIFICATE needs TLS_KEY")
        if self.webhook_url and not self.webhook_secret:
            raise ValueError("WEBHOOK_URL needs WEBHOOK_SECRET")
        if self.send_by == "stow-rs" and not self.dicomweb_url:
            raise ValueError("SEND_BY=stow-rs needs DICOMWEB_URL")
        return self

    def commitment_address(self, aet: str) -> tuple[str, int] | None:
        """Host and port where storage commitment is reported to a title; None where none is set."""
        for entry in self.commitment_peers:
            title, _, address = entry.partition("=")
            if title == aet:
                host, _, port = address.rpartition(":")
                return host, int(port)
        return None


def read_pacs_settings(**given: Any) -> PacsSettings:
    """The settings of the environment, but for those that are given and not None.

    Raises:
        StartError: one of them is wrong.
    """
    return read_environment(PacsSettings, **given)
