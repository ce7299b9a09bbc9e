"""A process that has seen a patient's image leaves nothing of its own behind."""

import http.client
from pathlib import Path

import pytest

from benchmarks.memory import made_images
from benchmarks.running import running_service
from tests.tiny_model import write_tiny_model


def test_nothing_is_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # ONNX Runtime keeps its reports back by itself where it sees a CI, so it must not see one
    for name in ("CI", "GITHUB_ACTIONS", "TF_BUILD"):
        monkeypatch.delenv(name, raising=False)
    model = tmp_path / "tiny.onnx"
    write_tiny_model(model)
    home = tmp_path / "home"
    home.mkdir()
    folders = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    with running_service(model, dict.fromkeys(folders, str(home))) as service:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        connection.request("POST", "/predict", made_images(1)[0], {"Content-Type": "image/jpeg"})
        assert connection.getresponse().status == 200
        connection.close()
    assert list(home.rglob("*")) == []
