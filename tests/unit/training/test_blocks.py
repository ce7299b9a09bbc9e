"""Patients held out in contiguous blocks of their numbers."""

from pathlib import Path

import numpy as np
import pytest

from tests.dataset import write_dataset
from training.blocks import blocks, split_by_block
from training.configuration import BLOCKS
from training.data import DataError, Dataset, find_samples, load


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
