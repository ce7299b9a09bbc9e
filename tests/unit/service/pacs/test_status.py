"""What ``pneumonia pacs status`` tells."""

import json
from pathlib import Path

import pytest

from service.cli import main
from service.pacs.inbox import Inbox
from service.pacs.node import open_store
from service.pacs.settings import PacsSettings
from service.pacs.spool import Spool
from tests.dicom import file_bytes
from tests.pacs import xray


def test_it_counts_states_and_what_the_shadow_service_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PNEUMONIA_PACS_FOLDER", str(tmp_path))
    settings = PacsSettings()
    store = open_store(settings)
    inbox = Inbox(settings, Spool(tmp_path), store)
    said = [
        ({"decision": "normal"}, {"decision": "normal"}),
        ({"decision": "normal"}, {"decision": "pneumonia"}),
        ({"decision": "normal"}, {"decision": "pneumonia"}),
        ({"code": "not_a_chest_xray"}, {"decision": "uncertain"}),
        ({"decision": "normal"}, {"error": "The service cannot be reached."}),
    ]
    for number, (answer, shadow) in enumerate(said):
        image = xray(number)
        inbox.take(file_bytes(image), image.SOPInstanceUID, image.SOPClassUID, "CR1")
        [row] = store.rows("state = 'received'")
        store.move(row, "answered", answer=json.dumps(answer), shadow=json.dumps(shadow))
    store.close()
    assert main(["pacs", "status"]) == 0
    told = capsys.readouterr().out
    assert "answered         5" in told
    for line in (
        "answered normal, by the shadow service normal: 1",
        "answered normal, by the shadow service not at all: 1",
        "answered normal, by the shadow service pneumonia: 2",
        "answered not_a_chest_xray, by the shadow service uncertain: 1",
    ):
        assert line in told
