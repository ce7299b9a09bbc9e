"""What is taken, and what a second arrival is."""

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from service.pacs.errors import NotUnderstood
from service.pacs.header import read_header
from service.pacs.inbox import Inbox, Taken
from service.pacs.settings import PacsSettings
from service.pacs.spool import Spool
from service.pacs.store import Store
from tests.dicom import file_bytes, radiograph, shadows


class _Fixture:
    def __init__(self, folder: Path, **settings: object) -> None:
        self.spool = Spool(folder)
        self.store = Store(folder / "node.sqlite")
        self.inbox = Inbox(PacsSettings(**settings), self.spool, self.store)  # type: ignore[arg-type]

    def take(self, data: bytes) -> Taken:
        header = read_header(data)
        return self.inbox.take(data, header.instance, header.sop_class, "CR1")


@pytest.fixture
def node(tmp_path: Path) -> _Fixture:
    """With nothing in it."""
    return _Fixture(tmp_path)


def image(seed: int = 0, syntax: str = "explicit", **changes: Any) -> bytes:
    """A file of one instance."""
    return file_bytes(radiograph(shadows(seed=seed), **changes), syntax)


def test_an_image_is_kept_once(node: _Fixture) -> None:
    assert node.take(image()) == "kept"
    assert node.take(image()) == "duplicate"
    [row] = node.store.rows("1")
    assert row.state == "received"
    assert row.file is not None
    assert node.spool.path(row.file).read_bytes() == image()


def test_a_header_that_was_coerced_on_the_way_is_no_other_image(node: _Fixture) -> None:
    assert node.take(image()) == "kept"
    assert node.take(image(PatientName="Corrected^Name")) == "duplicate"


def test_an_image_that_was_compressed_on_the_way_is_no_other_image(node: _Fixture) -> None:
    assert node.take(image()) == "kept"
    assert node.take(image(syntax="JPEG lossless")) == "duplicate"


def test_other_pixels_of_the_same_instance_are_a_conflict_that_is_kept_once(
    node: _Fixture,
) -> None:
    assert node.take(image()) == "kept"
    assert [node.take(image(seed=1)) for _ in range(2)] == ["conflict", "conflict"]
    assert node.take(image()) == "duplicate"
    assert node.store.counts()["conflict"] == 1
    assert len(node.store.files()) == 2


def test_an_image_that_is_over_is_taken_again(node: _Fixture) -> None:
    node.take(image())
    [row] = node.store.rows("1")
    node.store.move(row, "done", file=None)
    assert node.take(image()) == "kept"


@pytest.mark.parametrize("image_type", [["DERIVED", "SECONDARY"], ["ORIGINAL", "SECONDARY", "X"]])
def test_what_was_made_from_images_is_refused_and_not_kept(
    node: _Fixture, image_type: list[str]
) -> None:
    assert node.take(image(ImageType=image_type)) == "refused"
    assert node.take(image(ImageType=image_type)) == "refused"
    [row] = node.store.rows("1")
    assert (row.state, row.file) == ("refused", None)


def test_derived_images_are_refused_where_that_is_set(tmp_path: Path) -> None:
    derived = image(ImageType=["DERIVED", "PRIMARY"])
    assert _Fixture(tmp_path / "1").take(derived) == "kept"
    assert _Fixture(tmp_path / "2", take_derived=False).take(derived) == "refused"


def derived_from(source: bytes) -> bytes:
    """Another instance, as a device that processes an image anew makes it."""
    header, reference = read_header(source), Dataset()
    reference.ReferencedSOPClassUID = header.sop_class
    reference.ReferencedSOPInstanceUID = header.instance
    return image(
        seed=7,
        SOPInstanceUID="1.2.3.77",
        ImageType=["DERIVED", "PRIMARY"],
        SourceImageSequence=[reference],
    )


def test_of_an_image_and_one_derived_from_it_the_first_is_judged(node: _Fixture) -> None:
    source = image(ImageType=["ORIGINAL", "PRIMARY"])
    assert node.take(source) == "kept"
    assert node.take(derived_from(source)) == "refused"
    assert node.store.counts()["received"] == 1


def test_a_derived_image_is_judged_where_its_source_never_came_or_was_refused(
    node: _Fixture,
) -> None:
    source = image(ImageType=["ORIGINAL", "SECONDARY"])
    assert node.take(source) == "refused"
    assert node.take(derived_from(source)) == "kept"


def test_what_the_node_itself_has_made_or_sends_is_refused(tmp_path: Path) -> None:
    node = _Fixture(tmp_path, aet="CR1")
    assert node.take(image()) == "refused"
    relabelled = image(Manufacturer="pneumonia-detection", ImageType=["ORIGINAL", "PRIMARY"])
    assert _Fixture(tmp_path / "2").take(relabelled) == "refused"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no data set",
        image()[:300],
        image(StudyInstanceUID=None),
        image(PixelData=None),
    ],
)
def test_what_is_no_image_is_not_understood(data: bytes) -> None:
    with pytest.raises(NotUnderstood):
        read_header(data)


def test_another_instance_than_announced_is_not_understood(node: _Fixture) -> None:
    with pytest.raises(NotUnderstood):
        node.inbox.take(image(), "1.2.3.99", read_header(image()).sop_class, "CR1")
    assert node.store.files() == set()
