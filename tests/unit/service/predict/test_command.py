"""`pneumonia predict`, in this process, on a real model file."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.cli import main
from tests.dicom import file_bytes, radiograph, shadows
from tests.images import image_bytes
from tests.tiny_model import write_tiny_model

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of several greys, the whitest of which is refused."""
    folder = tmp_path / "images"
    folder.mkdir()
    for grey in (70, 110, 170, 255):
        (folder / f"grey-{grey:03}.jpg").write_bytes(image_bytes(grey=grey))
    return folder


def predict(model: Path, *words: str | Path) -> int:
    return main(["predict", "--model", str(model), *map(str, words)])


def lines(capsys: Captured) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_it_answers_as_http_does(tiny_model: Path, folder: Path, capsys: Captured) -> None:
    assert predict(tiny_model, folder / "grey-170.jpg", folder / "grey-070.jpg") == 0
    first, second = lines(capsys)
    assert (first["file"], first["decision"]) == (str(folder / "grey-170.jpg"), "pneumonia")
    assert (second["file"], second["decision"]) == (str(folder / "grey-070.jpg"), "normal")
    from service.http.schemas import PredictionAnswer

    asked_for = {"adjusted", "uids"}
    assert first.keys() == {"file", *PredictionAnswer.model_fields} - asked_for


def test_one_bad_file_never_stops_it(tiny_model: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "note.txt").write_text("no image")
    (tmp_path / "good.jpg").write_bytes(image_bytes(grey=110))
    files = [str(tmp_path / name) for name in ("note.txt", "missing.jpg", "bad\0.jpg", "good.jpg")]
    assert predict(tiny_model, "--operating-point", "screening", *files) == 1
    found = lines(capsys)
    assert [line["file"] for line in found] == files
    codes = [line.get("code") for line in found]
    assert codes == ["unsupported_type", "unreadable_file", "unreadable_file", None]
    assert "No such file" in found[1]["detail"]
    # these are files on a disk, not requests
    assert not [key for line in found[:3] for key in line if key in ("status", "request_id")]
    assert found[3]["decision"] == "pneumonia"


def test_a_fault_of_the_program_costs_one_file(
    tiny_model: Path, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.http.schemas import describe

    place = "service.predict.score.describe"

    def fail_once(*_: object) -> Any:
        monkeypatch.setattr(place, describe)
        raise RuntimeError("secret")

    monkeypatch.setattr(place, fail_once)
    monkeypatch.setenv("PNEUMONIA_WORKERS", "1")
    assert predict(tiny_model, folder / "grey-070.jpg", folder / "grey-110.jpg") == 1
    failed, answered = lines(capsys)
    assert failed["code"] == "internal"
    assert "RuntimeError" in failed["detail"]
    assert "secret" not in failed["detail"]
    assert answered["decision"] == "normal"


def test_a_refused_image_has_a_whole_line(tiny_model: Path, folder: Path, capsys: Captured) -> None:
    assert predict(tiny_model, folder) == 1
    *answers, refused = lines(capsys)
    assert len(answers) == 3
    assert refused["code"] == "not_a_chest_xray"
    assert refused["distance"] > refused["limit"]
    assert refused["warnings"] == []
    assert all(isinstance(answer["warnings"], list) for answer in answers)
    assert predict(tiny_model, "--csv", folder) == 1
    *_, row = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["problem"] == "not_a_chest_xray"
    assert float(row["input_distance"]) == refused["distance"]


def test_the_order_is_that_of_the_images(
    tiny_model: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMONIA_WORKERS", "4")
    for number in range(40):
        size = (1600, 1200) if number % 7 == 0 else (80, 64)
        (tmp_path / f"{number:02}.jpg").write_bytes(image_bytes(size=size))
    assert predict(tiny_model, tmp_path) == 0
    assert [Path(line["file"]).stem for line in lines(capsys)] == [f"{n:02}" for n in range(40)]


def test_evidence_is_drawn_for_what_was_answered(
    tiny_model: Path, folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "new" / "drawings"
    assert predict(tiny_model, "--explain", out, folder) == 1
    *answers, refused = lines(capsys)
    assert "drawing" not in refused
    assert sorted(out.iterdir()) == [Path(answer["drawing"]) for answer in answers]
    with Image.open(answers[0]["drawing"]) as drawing:
        assert drawing.size == (320, 256)


def test_a_model_without_evidence_draws_none(tmp_path: Path, capsys: Captured) -> None:
    write_tiny_model(tmp_path / "plain.onnx", evidence=False)
    assert predict(tmp_path / "plain.onnx", "--explain", tmp_path / "out", tmp_path) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no evidence map" in captured.err


def test_prevalence_and_uids_come_where_asked_for(tmp_path: Path, capsys: Captured) -> None:
    model = tmp_path / "tiny.onnx"
    write_tiny_model(model, calibration_prevalence=2 / 3)
    file = tmp_path / "chest.dcm"
    file.write_bytes(file_bytes(radiograph(shadows(160, 128), PatientAge="004Y")))
    assert predict(model, "--prevalence", "0.1", "--uids", file) == 0
    (line,) = lines(capsys)
    assert line["adjusted"]["prevalence"] == 0.1
    assert line["uids"]["study_instance_uid"] == "1.2.3.4.1"


def test_standard_input_is_an_image(
    tiny_model: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(image_bytes(grey=170)))
    monkeypatch.setattr("sys.stdin", stream)
    assert predict(tiny_model, "-") == 0
    (line,) = lines(capsys)
    assert (line["file"], line["decision"]) == ("-", "pneumonia")


@pytest.mark.parametrize("form", [[], ["--csv"]], ids=["json", "csv"])
def test_an_interrupted_run_goes_on(
    tiny_model: Path, folder: Path, tmp_path: Path, form: list[str]
) -> None:
    out = tmp_path / "out"
    assert predict(tiny_model, *form, "--out", out, folder) == 1
    whole = out.read_bytes()
    assert len(whole.splitlines()) == 4 + len(form)
    out.write_bytes(whole[: len(whole) // 2])  # within a line
    kept = whole[: whole.rfind(b"\n", 0, len(whole) // 2) + 1]
    assert predict(tiny_model, *form, "--out", out, "--resume", folder) == 1
    again = out.read_bytes()
    assert again.startswith(kept)
    assert re.findall(rb"grey-\d+", again) == re.findall(rb"grey-\d+", whole)
    assert predict(tiny_model, *form, "--out", out, "--resume", folder) == 0  # nothing to do
    assert out.read_bytes() == again


def test_the_answers_of_another_model_are_not_continued(
    tiny_model: Path, folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    out, other = tmp_path / "out", tmp_path / "other.onnx"
    predict(tiny_model, "--out", out, folder)
    before = out.read_bytes()
    write_tiny_model(other, name="other")
    assert predict(other, "--out", out, "--resume", folder) == 1
    assert "another model" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "PATH"),
        (["--resume", "x.jpg"], "--resume needs --out"),
        (["--prevalence", "2", "x.jpg"], "above 0 and below 1"),
        (["--prevalence", "often", "x.jpg"], "above 0 and below 1"),
        (["--out", __file__, "x.jpg"], "add --resume"),
        (["--explain", __file__, "x.jpg"], "--explain"),
        (["-", "-"], "once only"),
        (["--engine", "ray", "x.jpg"], "needs --out DIR"),
        (["--engine", "ray", "--out", "new", "--csv", "x.jpg"], "for the local engine"),
        (["--engine", "ray", "--out", "new", "-"], "for the local engine"),
        (["--engine", "ray", "--out", str(Path(__file__).parent), "x.jpg"], "not empty"),
    ],
)
def test_usage_errors_come_before_the_model(words: list[str], says: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as left:
        main(["predict", "--model", "missing.onnx", *words])
    assert left.value.code == 2
    assert says in capsys.readouterr().err


def test_nothing_found_is_no_success(tiny_model: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    assert predict(tiny_model, tmp_path) == 1
    assert "0 answered" in capsys.readouterr().err


def test_it_counts_on_standard_error(tiny_model: Path, folder: Path, capsys: Captured) -> None:
    predict(tiny_model, folder)
    assert "3 answered, 1 not" in capsys.readouterr().err
    predict(tiny_model, "--quiet", folder)
    assert capsys.readouterr().err == ""


def test_it_reads_no_more_than_is_allowed(
    tiny_model: Path, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMONIA_MAX_BYTES", "1024")
    assert predict(tiny_model, folder / "grey-070.jpg") == 1
    (line,) = lines(capsys)
    assert (line["code"], line["file"]) == ("too_large", str(folder / "grey-070.jpg"))


def test_the_ray_engine_says_what_to_install(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["--engine", "ray", "--out", str(tmp_path / "out"), "x.jpg"]
    assert main(["predict", "--model", "missing.onnx", *words]) == 1
    assert "requirements/ray.txt" in capsys.readouterr().err


def test_the_local_engine_imports_nothing_of_ray(tiny_model: Path, folder: Path) -> None:
    program = (
        "import sys; from service.cli import main; main(sys.argv[1:]); "
        "sys.exit(bool({'ray', 'pyarrow', 'fsspec'} & set(sys.modules)))"
    )
    words = ["predict", "--model", str(tiny_model), str(folder / "grey-070.jpg")]
    subprocess.run([sys.executable, "-c", program, *words], check=True, capture_output=True)
