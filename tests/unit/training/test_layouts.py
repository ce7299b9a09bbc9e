"""Where labelled images are found: folders, lists, published data sets."""

import csv
from collections import Counter
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.dicom import file_bytes, radiograph, shadows
from training.layouts import find, find_samples
from training.samples import DataError, Listing


def touch(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"an image")


def write_list(file: Path, *rows: dict[str, str], delimiter: str = ",") -> None:
    with file.open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def counts(listing: Listing) -> dict[tuple[str | None, str], int]:
    return dict(Counter((sample.part, sample.label) for sample in listing.samples))


def test_parts_and_classes_are_folders_in_any_case(tmp_path: Path) -> None:
    touch(tmp_path, "Train/Covid19/a.png", "Train/normal/b.png", "Train/TB/c.png")
    touch(tmp_path, "VALIDATION/COVID19/d.png", "testing/No_Finding/deep/er/e.png")
    found = find(tmp_path)
    assert counts(found) == {
        ("train", "covid19"): 1,
        ("train", "normal"): 1,
        ("train", "tb"): 1,
        ("val", "covid19"): 1,
        ("test", "no finding"): 1,
    }
    assert len(find_samples(tmp_path)) == 4
    assert [sample.path.name for sample in find_samples(tmp_path, ("test",))] == ["e.png"]


def test_the_nested_folders_of_the_kaggle_archive_are_found(tmp_path: Path) -> None:
    inner = "archive/chest_xray"
    for part in ("train", "test"):
        touch(tmp_path, f"{inner}/{part}/NORMAL/IM-1-{part}.jpeg")
        touch(tmp_path, f"{inner}/{part}/PNEUMONIA/person1_virus_{part}.jpeg")
        touch(tmp_path, f"{inner}/chest_xray/{part}/NORMAL/IM-1-{part}.jpeg")
    touch(tmp_path, f"{inner}/__MACOSX/chest_xray/train/NORMAL/._IM-1.jpeg", "archive/.DS_Store")
    found = find(tmp_path)
    assert counts(found) == {
        (part, label): 1 for part in ("train", "test") for label in ("normal", "viral")
    }
    (note,) = found.notes
    assert "archive/chest_xray/chest_xray is not part of the data set" in note


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "train/NORMAL/a.png", "train/TB/b.png", "train/loose.png", "extra/c.png")
    touch(tmp_path, "train/TB/masks/b.png", "train/TB/lung masks/b.png")
    found = find(tmp_path)
    assert counts(found) == {("train", "normal"): 1, ("train", "tb"): 1}
    said = " ".join(found.notes)
    for part in ("1 files of", "extra is not part", "TB/masks holds masks", "lung masks holds"):
        assert part in said


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["one.png"], "it has no folders and 1 files such as one.png. It needs folders by class"),
        (["a/train/NORMAL/x.png", "b/train/TB/x.png"], "holds several data sets: a, b"),
        (["NORMAL/x.png", "TB/.hidden"], "The class TB of"),
    ],
)
def test_what_is_no_data_set_is_told_with_what_was_found(
    tmp_path: Path, files: list[str], says: str
) -> None:
    touch(tmp_path, *files)
    with pytest.raises(DataError) as caught:
        find(tmp_path)
    assert says in caught.value.detail


def test_a_part_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    touch(tmp_path, "train/NORMAL/x.png", "val/TB/x.png")
    with pytest.raises(DataError, match=r"has no part named test; its parts are train, val"):
        find_samples(tmp_path, ("test",))


@pytest.mark.parametrize("kind", ["csv", "semicolons", "parquet"])
def test_a_list_says_everything_of_its_images(tmp_path: Path, kind: str) -> None:
    touch(tmp_path, "images/1.png", "images/2.dcm", "images/3.png")
    rows = [
        {
            "Path": f"images/{name}",
            "label": label,
            "patient": patient,
            "source": "Ward 3",
            "split": split,
            "age": age,
            "sex": sex,
        }
        for name, label, patient, split, age, sex in (
            ("1.png", "TB", "p1", "training", "42", "Female"),
            ("2.dcm", "No Finding", "p1", "test", "042Y", "M"),
            ("3.png", "tb", "p2", "train", "", ""),
            ("gone.png", "tb", "p3", "train", "", ""),
            ("1.png", "", "p3", "train", "", ""),
        )
    ]
    file = tmp_path / ("list.parquet" if kind == "parquet" else "list.csv")
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    else:
        write_list(file, *rows, delimiter=";" if kind == "semicolons" else ",")
    for root in (tmp_path, file):
        found = find(root)
        assert counts(found) == {("test", "no finding"): 1, ("train", "tb"): 2}
        dicom, png, other = found.samples
        assert (dicom.age, dicom.sex, png.age, png.sex, other.age) == (42, "M", 42, "F", None)
        assert dicom.patient == png.patient == "Ward 3/p1" != other.patient
        assert {sample.source for sample in found.samples} == {"Ward 3"}
        assert [note.split(" ")[0] for note in found.notes] == ["1", "1"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"file": "1.png", "label": "tb"}, "has no column path; its columns are file, label"),
        ({"path": "x.png", "label": "tb"}, "such as x.png; paths are relative to"),
        ({"path": "1.png", "label": "tb", "split": "holdout"}, "has the split holdout; it must be"),
    ],
)
def test_a_broken_list_is_told(tmp_path: Path, row: dict[str, str], says: str) -> None:
    touch(tmp_path, "1.png")
    write_list(tmp_path / "list.csv", row)
    with pytest.raises(DataError) as caught:
        find(tmp_path / "list.csv")
    assert says in caught.value.detail


def test_the_published_layout_of_nih(tmp_path: Path) -> None:
    findings = {
        "00000001_000.png": "Cardiomegaly",
        "00000001_001.png": "Infiltration|Pneumonia",
        "00000002_000.png": "No Finding",
        "00000003_000.png": "No Finding",
    }
    touch(tmp_path, *(f"images_00{n}/images/{name}" for n, name in enumerate(findings)))
    (tmp_path / "images_003/images/00000003_000.png").unlink()
    write_list(
        tmp_path / "Data_Entry_2017_v2020.csv",
        *(
            {
                "Image Index": name,
                "Finding Labels": labels,
                "Patient ID": name[:8],
                "Patient Age": "58",
                "Patient Gender": "M",
            }
            for name, labels in findings.items()
        ),
    )
    (tmp_path / "train_val_list.txt").write_text("00000001_000.png\n00000001_001.png\n")
    (tmp_path / "test_list.txt").write_text("00000002_000.png\n00000003_000.png\n")
    found = find(tmp_path)
    assert found.positive == ("pneumonia",)
    assert counts(found) == {
        ("train", "other finding"): 1,
        ("train", "pneumonia"): 1,
        ("test", "no finding"): 1,
    }
    assert {(sample.age, sample.sex) for sample in found.samples} == {(58, "M")}
    assert len({sample.patient for sample in found.samples}) == 2
    assert "1 images of" in found.notes[0]


def test_the_published_layout_of_rsna(tmp_path: Path) -> None:
    touch(tmp_path, "stage_2_train_images/a.dcm", "stage_2_train_images/b.dcm")
    boxes = [{"patientId": "a", "x": x, "Target": "1"} for x in ("1", "9")]
    write_list(
        tmp_path / "stage_2_train_labels.csv", *boxes, {"patientId": "b", "x": "", "Target": "0"}
    )
    found = find(tmp_path)
    assert counts(found) == {(None, "lung opacity"): 1, (None, "no lung opacity"): 1}
    write_list(
        tmp_path / "stage_2_detailed_class_info.csv",
        {"patientId": "a", "class": "Lung Opacity"},
        {"patientId": "b", "class": "No Lung Opacity / Not Normal"},
    )
    found = find(tmp_path)
    assert found.positive == ("lung opacity",)
    assert counts(found) == {
        (None, "lung opacity"): 1,
        (None, "no lung opacity / not normal"): 1,
    }


def test_patients_are_recognised_by_folder_name_and_by_dicom_header(tmp_path: Path) -> None:
    touch(tmp_path, "TB/patient00007/study1/view1.jpg", "TB/patient00007/study2/view1.jpg")
    touch(tmp_path, "TB/1.png", "NORMAL/1.png")
    for name in ("x.dcm", "y.dcm"):
        (tmp_path / "NORMAL" / name).write_bytes(
            file_bytes(radiograph(shadows(), PatientID="12-3"))
        )
    touch(tmp_path, "NORMAL/broken.dcm")
    patients = {
        sample.path.relative_to(tmp_path).as_posix(): sample for sample in find(tmp_path).samples
    }
    by_file = {
        file: (one.patient.partition("/")[2], one.patient_from) for file, one in patients.items()
    }
    assert by_file == {
        "TB/patient00007/study1/view1.jpg": ("patient00007", "file name"),
        "TB/patient00007/study2/view1.jpg": ("patient00007", "file name"),
        "TB/1.png": ("TB/1.png", "nothing"),
        "NORMAL/1.png": ("NORMAL/1.png", "nothing"),
        "NORMAL/x.dcm": ("DICOM 12-3", "DICOM header"),
        "NORMAL/y.dcm": ("DICOM 12-3", "DICOM header"),
        "NORMAL/broken.dcm": ("NORMAL/broken.dcm", "nothing"),
    }
    names = [sample.name for sample in find(tmp_path).samples]
    assert len(set(names)) == len(names), "files of one name are told apart"
