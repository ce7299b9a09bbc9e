"""What all tests share: markers by folder, a tiny model file, and services that run on it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from service.http.app import create_app
from service.imaging.dicom_pool import DicomPool
from service.settings import Settings
from tests.client import AppClient, running
from tests.tiny_model import write_tiny_model

ServiceFactory: TypeAlias = Callable[..., AppClient]

# no test depends on how long it takes; --hypothesis-profile many tries more
_UNTIMED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
hypothesis_settings.register_profile("untimed", **_UNTIMED)
hypothesis_settings.register_profile("many", max_examples=2500, **_UNTIMED)
hypothesis_settings.load_profile("untimed")

_FOLDERS = ("unit", "integration", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the folder it lies in."""
    for item in items:
        for name in _FOLDERS:
            if name in item.path.relative_to(Path(__file__).parent).parts:
                item.add_marker(name)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with evidence map and input check; see :mod:`tests.tiny_model`."""
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    write_tiny_model(path)
    return path


@pytest.fixture(scope="module")
def dicom_pool() -> Iterator[DicomPool]:
    """Processes that read DICOM files, shared since each takes half a second to start.

    They end with the module, since others count what processes there are.
    """
    with DicomPool(patience=600) as pool:
        yield pool


@pytest.fixture
def start_service(tiny_model: Path) -> Iterator[ServiceFactory]:
    """Starts the application in this process, by default on the tiny model, and waits until ready.

    Keyword arguments are settings.
    """
    with ExitStack() as stack:

        def start(**settings: Any) -> AppClient:
            return stack.enter_context(_running(**{"model": tiny_model, **settings}))

        yield start


@pytest.fixture(scope="module")
def client(tiny_model: Path) -> Iterator[AppClient]:
    """A client of a service on the tiny model with the default settings, shared by a module."""
    with _running(model=tiny_model) as client:
        yield client


@contextmanager
def _running(**settings: Any) -> Iterator[AppClient]:
    # no answer is late on a machine that is busy with other things
    given = {"workers": 2, "deadline_seconds": 600, **settings}
    with running(create_app(Settings(**given))) as client:
        client.wait_until_ready()
        yield client
