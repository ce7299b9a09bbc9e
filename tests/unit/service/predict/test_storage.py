"""Which images words name where disks and object stores are meant, and what they hold."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.errors import InvalidRequest
from service.predict.storage import file_system, find_files, load
from tests.images import image_bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/one.jpg", "b/two.jpg", "b/.hidden.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(image_bytes())
    return tmp_path


def names(*words: str | Path) -> list[str]:
    return list(find_files(map(str, words)))


@pytest.fixture(params=["fsspec", "Arrow"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who reads what ``file://`` names: fsspec, or Arrow where fsspec's package is missing."""

    def missing(*_: object) -> None:
        raise ImportError

    if request.param == "Arrow":
        monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    return str(request.param)


@pytest.mark.usefixtures("store")
def test_folders_and_patterns_are_found_at_urls_too(folder: Path) -> None:
    one, two = f"file://{folder}/a/one.jpg", f"file://{folder}/b/two.jpg"
    assert names(f"file://{folder}") == [one, two]
    assert names(f"file://{folder}/*/t*.jpg") == [two]
    assert names(one, folder / "b") == [one, str(folder / "b" / "two.jpg")]
    # what is not there is answered for like any other
    assert names(f"file://{folder}/lost.jpg") == [f"file://{folder}/lost.jpg"]


def test_a_manifest_names_paths_relative_to_it_and_urls(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = ["a/one.jpg", "/elsewhere/x.jpg", "s3://bucket/y.dcm"]
    pq.write_table(pa.table({"path": listed, "age": [1, 2, 3]}), folder / "list.parquet")
    expected = [str(folder / "a" / "one.jpg"), *listed[1:]]
    assert names(folder / "list.parquet") == expected
    assert names(f"file://{folder}/list.parquet")[0] == f"file://{folder}/a/one.jpg"
    monkeypatch.chdir(folder)
    assert names("list.parquet") == listed


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"file": ["a.jpg"]}, "column path"),
        ({"path": [["a.jpg"]]}, "column path"),
        (None, "no man"),
    ],
)
def test_a_manifest_that_is_none_is_refused(
    table: dict[str, object] | None, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "list.parquet"
    if table:
        pq.write_table(pa.table(table), file)
    with pytest.raises(InvalidRequest, match=says):
        names(file)


def test_a_store_that_nothing_knows_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="nowhere:// cannot be used"):
        names("nowhere://bucket/folder/*.jpg")
    with pytest.raises(InvalidRequest, match="local engine"):
        names("-")


@pytest.mark.usefixtures("store")
def test_what_is_written_to_a_store_is_read_again(tmp_path: Path) -> None:
    system, root = file_system(f"file://{tmp_path}/out")
    system.makedirs(root, exist_ok=True)
    system.pipe_file(f"{root}/.part", b"whole")
    system.mv(f"{root}/.part", f"{root}/part")
    assert system.isdir(root)
    assert [Path(name).name for name in system.glob(f"{root}/p*")] == ["part"]
    assert load(f"file://{tmp_path}/out/part", 3) == b"who"


@pytest.mark.usefixtures("store")
def test_no_more_is_read_than_is_asked_for(folder: Path) -> None:
    file = folder / "a" / "one.jpg"
    assert load(f"file://{file}", 100) == file.read_bytes()[:100]
    with pytest.raises(FileNotFoundError, match=r"No such file or directory$"):
        load(f"file://{folder}/lost.jpg", 100)
