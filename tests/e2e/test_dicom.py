"""DICOM by the commands that people type, on the shipped model; nothing of the patient stays."""

import json
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.settings import DEFAULT_MODEL
from tests.dicom import file_bytes, radiograph, read
from tests.dicom_files import real_file
from tests.needs import program
from tests.process import ROOT, ServiceProcess, service_process

CHEST = "RG1_UNCR.dcm"
PATIENT = {
    "PatientName": "Doe^Johanna",
    "PatientID": "pid-4711",
    "PatientBirthDate": "19991231",
    "InstitutionName": "St Elsewhere",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """The shipped model; what is asked here must not depend on what its input check makes of it."""
    folder = tmp_path_factory.mktemp("service")
    # no answer is late on a machine that is busy with other things
    settings: dict[str, Any] = {"input_check": "flag", "deadline_seconds": 600}
    with service_process(DEFAULT_MODEL, folder, **settings) as running:
        yield running


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The chest radiograph with a patient's data, the same image as PNG, and a lateral view."""
    original = read(real_file(CHEST))
    values = original.pixel_array.astype(np.uint16)
    window: dict[str, Any] = {
        "WindowCenter": original.WindowCenter,
        "WindowWidth": original.WindowWidth,
    }
    inverted = {**window, **PATIENT, "PhotometricInterpretation": "MONOCHROME1"}
    low = original.WindowCenter - original.WindowWidth / 2
    shown = 255 - np.clip((values - low) / original.WindowWidth * 255, 0, 255)
    png = BytesIO()
    Image.fromarray(np.rint(shown).astype(np.uint8)).save(png, "PNG")
    contents = {
        "chest.dcm": file_bytes(radiograph(values, 15, **inverted)),
        "chest.png": png.getvalue(),
        "lateral.dcm": file_bytes(radiograph(values, 15, **inverted, ViewPosition="LL")),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in contents}


def curl(url: str, *files: Path, field: str = "file") -> bytes:
    form = [part for file in files for part in ("-F", f"{field}=@{file}")]
    return subprocess.run(
        [program("curl"), "--silent", "--show-error", *form, url], check=True, capture_output=True
    ).stdout


def test_curl_gets_the_same_answer_for_dicom_and_png(
    service: ServiceProcess, files: dict[str, Path]
) -> None:
    names = ("chest.dcm", "chest.png")
    answers = [json.loads(curl(f"{service.url}/predict", files[name])) for name in names]
    assert [answer["image"]["format"] for answer in answers] == ["DICOM", "PNG"]
    assert answers[0]["probability"] == pytest.approx(answers[1]["probability"], abs=0.01)
    batch = json.loads(
        curl(f"{service.url}/predict/batch", *(files[name] for name in names), field="files")
    )
    for answer, result in zip(answers, batch["results"], strict=True):
        assert result["prediction"]["probability"] == pytest.approx(answer["probability"])
    drawn = [
        np.asarray(Image.open(BytesIO(curl(f"{service.url}/explain", files[name]))), np.int16)
        for name in names
    ]
    assert np.abs(drawn[0] - drawn[1]).mean() < 1


def test_the_command_answers_as_the_service(
    service: ServiceProcess, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMONIA_INPUT_CHECK", "flag")
    command = [sys.executable, "-m", "service", "predict"]
    command += ["--model", str(DEFAULT_MODEL), str(files["chest.dcm"]), str(files["lateral.dcm"])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    chest, lateral = (json.loads(line) for line in done.stdout.splitlines())
    answer = json.loads(curl(f"{service.url}/predict", files["chest.dcm"]))
    assert chest["probability"] == pytest.approx(answer["probability"])
    assert chest["image"] == answer["image"]
    assert (done.returncode, lateral["code"]) == (1, "not_a_chest_xray")
    assert_nothing_of_the_patient(done.stdout + done.stderr)


def test_nothing_of_the_patient_is_answered_logged_or_counted(
    service: ServiceProcess, files: dict[str, Path]
) -> None:
    corrupt = files["chest.dcm"].with_name("corrupt.dcm")
    corrupt.write_bytes(files["chest.dcm"].read_bytes()[:-1000])
    for file in (files["chest.dcm"], files["lateral.dcm"], corrupt):
        for path in ("/predict", "/predict?uids=true", "/explain"):
            assert_nothing_of_the_patient(curl(f"{service.url}{path}", file).decode("latin-1"))
    asked = json.loads(curl(f"{service.url}/predict?uids=true", files["chest.dcm"]))
    assert asked["uids"]["study_instance_uid"] == "1.2.3.4.1"
    logged = service.log.read_text()
    assert "not_a_chest_xray" in logged
    counted = curl(f"{service.url}/metrics").decode()
    for text in (logged, counted):
        assert_nothing_of_the_patient(text)
        assert "1.2.3.4" not in text
        assert "chest.dcm" not in text


def assert_nothing_of_the_patient(text: str) -> None:
    assert not [value for value in PATIENT.values() if value in text]
