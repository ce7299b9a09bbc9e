"""Named keys, from settings and from a file, and how they are exchanged while the service runs."""

import hashlib
import json
from pathlib import Path

import pytest

from service.errors import StartError
from service.http import api_keys
from service.http.app import create_app
from service.settings import Settings
from tests.client import AppClient
from tests.conftest import ServiceFactory


def entry(name: str, key: str) -> str:
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"


def status(client: AppClient, key: str) -> int:
    return client.get("/model", headers={"x-api-key": key}).status_code


def test_every_way_of_giving_keys_counts(start_service: ServiceFactory, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# of the reading room\n\n{entry('reading-room', 'c')}  # since May\n")
    client = start_service(
        api_key_sha256=entry("", "a")[1:],
        api_keys=f"{entry('pacs', 'b')}, {entry('pacs', 'b2')}",
        api_keys_file=file,
    )
    assert [status(client, key) for key in ("a", "b", "b2", "c")] == [200] * 4
    assert [status(client, key) for key in ("d", "", entry("pacs", "b"))] == [401] * 3


def test_a_key_is_exchanged_without_a_restart(
    start_service: ServiceFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(api_keys, "_LOOK_AGAIN_SECONDS", 0.0)
    file = tmp_path / "keys"

    def write(*entries: str) -> None:
        # as Kubernetes exchanges a mounted secret, and an editor a file
        (tmp_path / "new").write_text("\n".join(entries))
        (tmp_path / "new").replace(file)

    write(entry("ris", "old"))
    client = start_service(api_keys_file=file)
    assert (status(client, "old"), status(client, "new")) == (200, 401)
    write(entry("ris", "old"), entry("ris", "new"))
    assert (status(client, "old"), status(client, "new")) == (200, 200)
    write(entry("ris", "new"))
    assert (status(client, "old"), status(client, "new")) == (401, 200)
    for broken in ("ris:the-key-itself", "# nothing\n"):
        write(broken)
        assert (status(client, "old"), status(client, "new")) == (401, 200), "still as before"
    file.unlink()
    assert status(client, "new") == 200
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) >= 3
    assert "the-key-itself" not in json.dumps([record.__dict__["fields"] for record in told])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        ("", "holds no key"),
        ("# none yet\n", "holds no key"),
        (f"{entry('ris', 'a')}\nsecret\n", "line 2 is not NAME:SHA256"),
    ],
)
def test_a_file_that_is_wrong_stops_the_start(
    tiny_model: Path, tmp_path: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_text(content)
    with pytest.raises(StartError, match=reason) as error:
        create_app(Settings(model=tiny_model, api_keys_file=file))
    assert "secret" not in error.value.detail
