"""A process that has seen a patient's image leaves nothing of its own behind."""

from pathlib import Path

import pytest

from tests.images import image_bytes
from tests.process import service_process


def test_nothing_is_kept_on_disk(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ONNX Runtime keeps its reports back by itself where it sees a CI, so it must not see one
    for name in ("CI", "GITHUB_ACTIONS", "TF_BUILD"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(home))
    with service_process(tiny_model, tmp_path) as service:
        answer = service.post("/predict", files={"file": image_bytes()})
        assert answer.status_code == 200
    assert list(home.rglob("*")) == []
