"""All settings, from the environment, each with its meaning and its bounds."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticUseDefault
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.environment import read_environment, split_list
from service.runtime.cpus import busy_threads

PREFIX = "PNEUMONIA_"
DEFAULT_MODEL = Path(__file__).parent.parent / "models" / "pneumonia.onnx"

# a key by the name of who has it, and its digest
NAMED_KEY = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}:[0-9a-f]{64}"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NamedKey = Annotated[str, Field(pattern=f"^{NAMED_KEY}$")]


class Settings(BaseSettings):
    """Settings of the service; ``PNEUMONIA_`` and the upper-case name set one.

    Raises:
        pydantic.ValidationError: a value is out of its bounds or of the wrong kind.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Address to listen on; the container image sets 0.0.0.0."""

    port: int = Field(default=8000, ge=0, le=65535)
    """TCP port; 0 takes any free one."""

    model: Path = DEFAULT_MODEL
    """The model file to serve."""

    model_sha256: Sha256 | None = None
    """Where given, a model file with another SHA-256 stops the service at start."""

    input_check: Literal["refuse", "flag"] = "refuse"
    """What happens to an image that fails the model's input check: a 422, or an answer with
    ``input_check.accepted`` false and a warning."""

    max_bytes: int = Field(default=32 * 2**20, ge=2**10, le=2**31)
    """Largest file, in bytes; a batch may hold ``max_batch`` such files, as far as
    ``max_upload_memory`` has room for them."""

    max_pixels: int = Field(default=64_000_000, ge=2**10, le=2**30)
    """Largest image, width x height, checked before decoding."""

    max_batch: int = Field(default=32, ge=1, le=1024)
    """Most files in one batch request."""

    max_upload_memory: int = Field(default=512 * 2**20, ge=2**20, le=2**40)
    """Most bytes of uploads held in memory at one time, all requests together; what finds no room
    is shed with 429, and what is larger than all of it refused with 413."""

    workers: int = Field(default_factory=busy_threads, ge=1, le=256)
    """Images worked on at the same time, each on one thread. By default one more than the cores
    that affinity leaves, where there are several; with a container's quota below those, as many as
    the quota has whole cores. Under a memory limit never more than it has room for: each takes up
    to 5.5 bytes a pixel of ``max_pixels``, beside ``max_upload_memory``. A large DICOM file may
    take more: where memory is short, the process that reads it is ended, not the service."""

    max_wait_seconds: float = Field(default=0.7, gt=0, le=600)
    """Longest expected wait in the queue; a request that would wait longer is shed with 429, and at
    four fifths of it one whose body is still to be read."""

    deadline_seconds: float = Field(default=20, gt=0, le=3600)
    """Longest time from arrival of a complete upload to its answer, then 504; in a batch that of
    each file, from its turn on."""

    body_seconds: float = Field(default=60, gt=0, le=3600)
    """Longest time an upload may take to arrive, then 408."""

    drain_seconds: float = Field(default=20, ge=0, le=3600)
    """Longest time accepted work may take to finish after SIGTERM."""

    drain_delay_seconds: float = Field(default=0, ge=0, le=600)
    """How long readiness answers 503 before the port closes on SIGTERM, so that a load balancer
    can notice."""

    api_key_sha256: Annotated[tuple[Sha256, ...], NoDecode] = ()
    """SHA-256 digests (hexadecimal, comma separated) of the keys that may use the service; empty:
    no key is asked for."""

    api_keys: Annotated[tuple[NamedKey, ...], NoDecode] = ()
    """Further keys with the names of who has them, ``NAME:SHA256`` (comma separated); the log names
    the key of each answer. A name may have several, an old and a new one."""

    api_keys_file: Path | None = None
    """A file of such keys, one a line, that is read again within a second after it changed."""

    baseline: Path | None = None
    """The site's own baseline for drift, which ``pneumonia baseline`` wrote."""

    devices: Annotated[tuple[str, ...], NoDecode, Field(max_length=32)] = ()
    """Devices (comma separated) that are counted by name, ``MANUFACTURER/MODEL`` or
    ``MANUFACTURER`` as DICOM files state them; all others are counted as ``other``."""

    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins (comma separated) whose pages may call the service; empty: none but its own."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is logged."""

    @field_validator("port", mode="before")
    @classmethod
    def _skip_service_link(cls, value: object) -> object:
        if _is_service_link(value):
            raise PydanticUseDefault
        return value

    _split_lists = field_validator(
        "api_key_sha256", "api_keys", "devices", "cors_origins", mode="before"
    )(split_list)


def ignored_variables() -> list[str]:
    """Names of the environment's variables that look like settings but set nothing.

    They are misspelt, or what Kubernetes sets in every pod for a Service named ``pneumonia``:
    ``PNEUMONIA_SERVICE_HOST``, and ``PNEUMONIA_PORT`` with a URL.
    """
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    port = f"{PREFIX}PORT"
    return sorted(
        name
        for name, value in os.environ.items()
        if (upper := name.upper()).startswith(PREFIX)
        and not upper.startswith(f"{PREFIX}PACS_")  # the DICOM node's
        and (upper not in known or (upper == port and _is_service_link(value)))
    )


def _is_service_link(value: object) -> bool:
    """Whether a port is a URL, as Kubernetes' service links have it: ``tcp://10.96.12.7:8000``."""
    return isinstance(value, str) and value.startswith(("tcp://", "udp://", "sctp://"))


def read_settings(**given: Any) -> Settings:
    """The settings of the environment, but for those that are given and not None.

    Raises:
        StartError: one of them is wrong.
    """
    return read_environment(Settings, **given)
