"""The pages on own images, word by word, and every layout from images to an answer."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from service.cli import main
from service.inference.contract import Contract
from service.inference.model import OnnxModel
from tests.dataset import chest
from tests.dicom import file_bytes, radiograph
from tests.process import ROOT, service_process

# Keras asks NumPy for a copy in a way that it warns of; the commands run outside pytest as well
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FAST = ["--arch", "cnn", "--folds", "2", "--size", "64"]
FAST += ["--epochs", "2", "--batch", "16", "--rate", "0.01", "--area", "0.8", "1"]
CLOUDS = {"NORMAL": 0, "PNEUMONIA": 250}
IMAGES = 36  # of each class and part; fewer than 30 make no model file


def write_tree(folder: Path, clouds: dict[str, int]) -> None:
    """Folders by class in folders by part."""
    generator = np.random.default_rng(0)
    for part in ("train", "test"):
        for label, cloud in clouds.items():
            (folder / part / label).mkdir(parents=True)
            for number in range(IMAGES):
                chest(generator, cloud).save(folder / part / label / f"{label}-{part}{number}.png")


def write_flat(folder: Path) -> None:
    """Folders by class alone, as an archive leaves them."""
    write_tree(folder / "archive" / "set", CLOUDS)
    for label in CLOUDS:
        shutil.move(folder / "archive" / "set" / "train" / label, folder / "archive" / "set")
    shutil.rmtree(folder / "archive" / "set" / "train")
    shutil.rmtree(folder / "archive" / "set" / "test")


def write_list(folder: Path, suffix: str) -> None:
    """A list of images in one folder."""
    write_tree(folder / "all", CLOUDS)
    rows = [
        {"path": path.relative_to(folder).as_posix(), "label": path.parent.name, "age": "42"}
        for path in sorted(folder.rglob("*.png"))
    ]
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "list.parquet")
        return
    with (folder / "list.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_dicom(folder: Path) -> None:
    """Folders by class of DICOM files, whose headers name the patients."""
    generator = np.random.default_rng(0)
    for label, cloud in CLOUDS.items():
        (folder / label).mkdir(parents=True)
        for number in range(IMAGES):
            samples = np.asarray(chest(generator, cloud)).astype(np.uint16) * 16
            dataset = radiograph(samples, PatientID=f"{label}{number}")
            (folder / label / f"{number}.dcm").write_bytes(file_bytes(dataset))


def write_nih(folder: Path) -> None:
    """As NIH hands them out."""
    write_tree(folder / "images_001", CLOUDS)
    with (folder / "Data_Entry_2017.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Image Index", "Finding Labels", "Patient ID", "Patient Age"])
        for number, path in enumerate(sorted(folder.rglob("*.png"))):
            ill = path.parent.name == "PNEUMONIA"
            labels = "Effusion|Pneumonia" if ill else "No Finding"
            writer.writerow([path.name, labels, number, 50])


def write_rsna(folder: Path) -> None:
    """As RSNA hands them out."""
    write_dicom(folder / "stage_2_train_images")
    with (folder / "stage_2_detailed_class_info.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["patientId", "class"])
        for label, said in (("NORMAL", "Normal"), ("PNEUMONIA", "Lung Opacity")):
            for path in sorted((folder / "stage_2_train_images" / label).iterdir()):
                path.rename(path.with_name(f"{label}{path.name}"))
                writer.writerow([f"{label}{path.stem}", said])


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "folders in an archive": write_flat,
    "CSV": lambda folder: write_list(folder, ".csv"),
    "Parquet": lambda folder: write_list(folder, ".parquet"),
    "DICOM": write_dicom,
    "NIH": write_nih,
    "RSNA": write_rsna,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_becomes_a_model(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run, model = tmp_path / "my-images", tmp_path / "run", tmp_path / "mine.onnx"
    data.mkdir()
    LAYOUTS[layout](data)
    assert main(["data", "check", str(data)]) == 0
    assert f"{IMAGES * (1 if layout in ('folders in an archive', 'DICOM', 'RSNA') else 2)}\n" in (
        capsys.readouterr().out
    )
    # one network without input check; the pages below are followed to the letter
    assert main(["train", str(data), "--out", str(run), *FAST, "--epochs", "1", "--screen"]) == 0
    assert main(["export", str(run), "--out", str(model), "--force"]) == 0
    contract = OnnxModel(model).contract
    assert len(contract.labels) == 2
    assert contract.pneumonia_labels in (("pneumonia",), ("lung opacity",))
    image = next(path for path in data.rglob("*") if path.suffix in (".png", ".dcm"))
    capsys.readouterr()
    assert main(["predict", str(image), "--model", str(model)]) == 0
    assert '"decision"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("page", "clouds"),
    [("own-images", CLOUDS), ("own-classes", {"NORMAL": 0, "COVID": 120, "TB": 60})],
)
def test_a_page_does_what_it_says(page: str, clouds: dict[str, int], tmp_path: Path) -> None:
    write_tree(tmp_path / "my-images", clouds)
    image = next((tmp_path / "my-images" / "test" / "NORMAL").iterdir())
    shutil.copy(image, tmp_path / "image.png")
    text = (ROOT / "docs" / f"{page}.md").read_text()
    before, after = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).split(
        "PNEUMONIA_MODEL=models/mine.onnx pneumonia serve\n"
    )
    for command in filter(None, before.split("\n")):
        run(command, tmp_path)
    with service_process(tmp_path / "models" / "mine.onnx", tmp_path) as service:
        asked = after.replace("http://localhost:8000", service.url).strip().split("\n")
        answer, described = (json.loads(run(command, tmp_path)) for command in asked)
    assert answer["decision"] in ("normal", "uncertain", "pneumonia")
    contract = Contract.model_validate(described["contract"])
    assert set(contract.labels) == {label.lower() for label in clouds}
    assert contract.population == "Adults, our hospital"
    assert contract.input_check_limit is not None
    assert {point.name for point in contract.operating_points} == {"balanced", "screening"}


def run(command: str, folder: Path) -> str:
    """A command of a page, trained by the fastest settings there are."""
    programs = folder / "bin"
    if not programs.exists():
        programs.mkdir()
        (programs / "pneumonia").write_text(
            f'#!/bin/sh\n[ "$1" = train ] && set -- "$@" {" ".join(FAST)}\n'
            f'exec {sys.executable} -m service "$@"\n'
        )
        (programs / "pneumonia").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout
