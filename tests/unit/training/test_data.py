"""Reading, grouping and splitting labelled images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.imaging.decode import decode
from service.imaging.preprocess import to_model_input
from service.imaging.radiograph import Limits
from tests.dataset import write_dataset
from tests.needs import shared
from training.data import DataError, find_samples, load, split


def test_reads_the_kaggle_layout_and_takes_the_subtype_from_the_file_name(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=3)
    images = load(find_samples(tmp_path), quiet=True)
    assert images.images.shape == (18, 224, 224, 1)
    assert images.images.dtype == np.uint8
    assert images.targets.sum(axis=0).tolist() == [6, 6, 6]
    assert len(np.unique(images.groups)) == 9


def test_the_test_part_is_left_alone_and_val_joins_train(tmp_path: Path) -> None:
    for part, patients in (("train", 3), ("val", 1), ("test", 2)):
        write_dataset(tmp_path, patients, images=1, part=part)
    assert len(find_samples(tmp_path)) == 12
    assert len(find_samples(tmp_path, ("test",))) == 6


def test_a_folder_without_parts_is_a_data_set_too(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=2, images=1, part=None)
    assert len(find_samples(tmp_path, ("test",))) == 6


def test_pneumonia_of_unknown_subtype_is_spread_over_both_subtypes(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=2, images=1)
    (tmp_path / "train/PNEUMONIA/person1_virus_0.jpeg").rename(
        tmp_path / "train/PNEUMONIA/00000061_012.jpeg"
    )
    images = load(find_samples(tmp_path), quiet=True)
    unknown = [row for row in images.targets.tolist() if max(row) < 1]
    assert unknown == [[0, 0.5, 0.5]]
    assert images.has_subtype.sum() == 5
    assert images.is_pneumonia.sum() == 4


def test_unreadable_files_are_named_and_skipped(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=2)
    (tmp_path / "train/NORMAL/broken.jpeg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (tmp_path / "train/NORMAL/empty.jpeg").write_bytes(b"")
    (tmp_path / "train/NORMAL/notes.txt").write_text("not an image")
    images = load(find_samples(tmp_path), quiet=True)
    assert len(images) == 12
    assert {Path(line.split(": ")[0]).name for line in images.skipped} == {
        "broken.jpeg",
        "empty.jpeg",
        "notes.txt",
    }


def test_a_folder_that_is_no_data_set_says_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match=r"is not a data set: it has the folders images\. It needs"):
        find_samples(tmp_path)
    with pytest.raises(DataError, match="There is no folder"):
        find_samples(tmp_path / "nowhere")


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=1)
    for file in (tmp_path / "train/NORMAL").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match="class normal has no readable image"):
        load(find_samples(tmp_path), quiet=True)
    for file in (tmp_path / "train/NORMAL").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="class NORMAL"):
        find_samples(tmp_path)


def test_no_patient_is_on_both_sides_and_every_class_on_each(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=12, images=3)
    images = load(find_samples(tmp_path), quiet=True)
    seen: list[str] = []
    for fold in range(4):
        training, validation = split(images, folds=4, fold=fold, seed=1)
        patients = {sample.patient for sample in validation.samples}
        assert patients.isdisjoint(sample.patient for sample in training.samples)
        assert np.allclose(validation.targets.mean(axis=0), 1 / 3, atol=0.05)
        seen += patients
    assert sorted(seen) == sorted({sample.patient for sample in images.samples})


def test_the_split_follows_the_seed(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=12, images=1)
    images = load(find_samples(tmp_path), quiet=True)
    first, again, other = (
        [sample.path for sample in split(images, 4, 0, seed)[1].samples] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_exact_copies_stay_on_one_side_under_any_name(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=8, images=1)
    normal = tmp_path / "train/NORMAL"
    twins = ("IM-0000-0000.jpeg", "IM-0003-0000.jpeg")
    (normal / twins[1]).write_bytes((normal / twins[0]).read_bytes())
    images = load(find_samples(tmp_path), quiet=True)
    for fold in range(4):
        _, validation = split(images, folds=4, fold=fold, seed=0)
        names = {sample.path.name for sample in validation.samples}
        assert len(names.intersection(twins)) in (0, 2)


def test_too_few_patients_for_the_folds_is_said(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=2)
    with pytest.raises(DataError, match="Fewer than 6 patients"):
        split(load(find_samples(tmp_path), quiet=True), folds=6, fold=0, seed=0)


def test_the_fingerprint_ignores_names_and_order_but_not_pixels(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=2)
    images = load(find_samples(tmp_path), quiet=True)
    turned = images.take(np.arange(len(images))[::-1])
    assert turned.fingerprint() == images.fingerprint()
    changed = images.images.copy()
    changed[0, 0, 0, 0] ^= 1
    assert (
        images.fingerprint()
        != type(images)(images.samples, changed, images.targets, images.groups, ()).fingerprint()
    )


def test_pixels_are_those_the_service_sees(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=1, images=1)
    sideways = Image.Exif()
    sideways[0x0112] = 6
    file = tmp_path / "train/NORMAL/IM-0000-0000.jpeg"
    Image.open(file).save(file, exif=sideways)
    images = load(find_samples(tmp_path), quiet=True)
    served = to_model_input(decode(file.read_bytes(), Limits(), 448).image, 224, 224)
    row = [sample.path for sample in images.samples].index(file)
    assert np.array_equal(images.images[row], served)


def test_patients_of_the_real_data_set() -> None:
    samples = find_samples(shared("data", "chest_xray"))
    assert len(samples) == 5232
    assert sum(sample.label == "bacterial" for sample in samples) == 2538
    assert sum(sample.label == "viral" for sample in samples) == 1345
    adults = find_samples(shared("data", "nih_adult"))
    assert len({sample.patient for sample in adults}) < len(adults)
    assert {sample.label for sample in adults} == {"normal", "pneumonia"}
