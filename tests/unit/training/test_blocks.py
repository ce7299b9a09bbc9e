"""Patients held out in contiguous blocks of their numbers, and in clusters of one device."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.dataset import write_dataset
from training.blocks import blocks, split_by_block
from training.configuration import BLOCKS, CLUSTERS
from training.data import DataError, Dataset, find_samples, load
from training.shortcuts import split_by_cluster


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder: Path = tmp_path_factory.mktemp("blocks")
    write_dataset(folder, patients=12)
    return load(find_samples(folder), quiet=True)


def test_each_series_is_cut_by_number_into_equal_parts(data: Dataset) -> None:
    found = blocks(data)
    for sample, block in zip(data.samples, found, strict=True):
        digits = sample.path.name.removeprefix("person").removeprefix("IM-")
        number = int(digits.split("_")[0].split("-")[0])
        assert block == number // 4
    assert np.bincount(found).tolist() == [24, 24, 24]


def test_patients_stay_together_also_where_two_share_an_image(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=6)
    one = tmp_path / "train" / "NORMAL" / "IM-0000-0000.jpeg"
    (tmp_path / "train" / "NORMAL" / "IM-0005-0009.jpeg").write_bytes(one.read_bytes())
    data = load(find_samples(tmp_path), quiet=True)
    found = blocks(data)
    for group in np.unique(data.groups):
        assert len(np.unique(found[data.groups == group])) == 1


def test_patients_without_numbers_are_said_to_have_no_blocks(tmp_path: Path) -> None:
    write_dataset(tmp_path, patients=3)
    for number, file in enumerate(sorted(tmp_path.rglob("*.jpeg"))):
        file.rename(file.with_name(f"{chr(97 + number)}.jpeg"))
    data = load(find_samples(tmp_path), quiet=True)
    for block in range(BLOCKS):
        with pytest.raises(DataError, match="hold no numbers"):
            split_by_block(data, block)


def test_a_device_is_held_out_with_all_images_of_its_patients(tmp_path: Path) -> None:
    write_dataset(tmp_path / "children", patients=12)
    bright = set(tmp_path.rglob("*-0000.jpeg")) | set(tmp_path.rglob("*_0.jpeg"))
    for file in bright:  # each patient has an image of either device
        Image.open(file).point(lambda grey: 128 + grey // 2).save(file)
    write_dataset(tmp_path / "others", patients=2)
    samples = [*find_samples(tmp_path / "children"), *find_samples(tmp_path / "others")]
    data = load(samples, quiet=True)
    parts = [split_by_cluster(data, "children", cluster) for cluster in range(CLUSTERS)]
    for training, held_out in parts:
        assert {sample.root for sample in held_out.samples} == {"children"}
        assert len({sample.path in bright for sample in held_out.samples}) == 1
        learnt = {sample.patient for sample in training.samples}
        assert not learnt & {sample.patient for sample in held_out.samples}
        assert {sample.root for sample in training.samples} >= {"others"}
    assert sum(len(held_out) for _, held_out in parts) == 12 * 2 * 3


@pytest.mark.parametrize("images", [1, 6])
def test_one_patient_cannot_be_divided_by_device(tmp_path: Path, images: int) -> None:
    write_dataset(tmp_path, patients=1, images=images)
    data = load(find_samples(tmp_path), quiet=True)
    one = data.take(np.flatnonzero(~data.is_pneumonia))
    with pytest.raises(DataError, match="use --fold"):
        split_by_cluster(one, tmp_path.name, 0)
