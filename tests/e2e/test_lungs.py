"""The lung localiser: made, measured, and inside a model file."""

from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from export.lungs import add_lungs
from export.pack import open_graph
from export.scaling import Scaling
from export.to_onnx import build_graph
from service.cli import main
from service.inference.lungs import find_fault, measure
from training import lungs
from training.architectures import ARCHITECTURES
from training.data import DataError, find_samples, load

# Keras saves a model with NumPy's older protocol
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LUNGS = ((0.12, 0.15, 0.42, 0.8), (0.58, 0.15, 0.88, 0.8))


def draw(generator: np.random.Generator, size: int = 224) -> tuple[Image.Image, Image.Image]:
    """An image with two dark lungs on bright tissue, and their mask."""
    scene = Image.fromarray(generator.integers(150, 200, (size, size), np.uint8))
    mask = Image.new("1", (size, size))
    moved = generator.uniform(-0.05, 0.05, 2)
    for left, top, right, bottom in LUNGS:
        box = [size * value for value in np.array([left, top, right, bottom]) + np.tile(moved, 2)]
        ImageDraw.Draw(scene).ellipse(box, fill=int(generator.integers(20, 60)))
        ImageDraw.Draw(mask).ellipse(box, fill=1)
    return scene, mask


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """48 images of as many patients, and the masks of all but the last."""
    root = tmp_path_factory.mktemp("lungs")
    images, masks = root / "images", root / "masks"
    masks.mkdir()
    for number in range(48):
        scene, mask = draw(np.random.default_rng(number))
        name = f"IM-{number:04}-0001"
        label = images / ("NORMAL", "PNEUMONIA")[number % 2]
        label.mkdir(parents=True, exist_ok=True)
        scene.save(label / f"{name}.png")
        if number < 47:
            mask.save(masks / f"{name}.png")
    return images, masks


@pytest.fixture(scope="module")
def run(
    folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, lungs.LocaliserReport]:
    """A localiser that was trained on them, by the command."""
    images, masks = folders
    out = tmp_path_factory.mktemp("run")
    words = [str(images), "--masks", str(masks), "--out", str(out), "--epochs", "40"]
    assert main(["lungs", *words]) == 0
    return out, lungs.LocaliserReport.model_validate_json((out / lungs.REPORT_FILE).read_bytes())


def test_lungs_of_other_patients_are_found(run: tuple[Path, lungs.LocaliserReport]) -> None:
    folder, report = run
    assert report.images == 4  # a twelfth of 47, whole patients
    assert report.mean_overlap > 0.6
    model, rule = lungs.load_localiser(folder)
    assert rule == report.rule
    scene, _ = draw(np.random.default_rng(99))
    image = np.asarray(scene)[np.newaxis, ..., np.newaxis]
    found = lungs.find_lungs(model, image)[0]
    assert find_fault(measure(found), rule) is None
    # noise has no lungs
    noise = np.random.default_rng(0).integers(0, 255, image.shape, np.uint8)
    assert find_fault(measure(lungs.find_lungs(model, noise)[0]), rule) == "no_lungs"


def test_only_images_with_a_mask_are_used(folders: tuple[Path, Path]) -> None:
    images, masks = folders
    rows, found = lungs.find_masks(load(find_samples(images), quiet=True), masks)
    assert len(rows) == len(found) == 47
    assert 0.2 < found.mean() < 0.4


def test_no_mask_and_no_localiser(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lungs", str(folders[0]), "--masks", str(tmp_path)]) == 1
    assert "holds no mask" in capsys.readouterr().err
    with pytest.raises(DataError, match="pneumonia lungs"):
        lungs.load_localiser(tmp_path)


def test_shrinking_averages_areas() -> None:
    image = np.zeros((1, 192, 224, 1), np.uint8)
    image[0, :96] = 200
    small = lungs.shrink(image)
    assert small.shape == (1, lungs.SIZE, lungs.SIZE, 1)
    assert small[0, : lungs.SIZE // 2].min() == pytest.approx(200, abs=1e-3)
    assert small[0, lungs.SIZE // 2 :].max() == 0


def boxes_of(mask: NDArray[np.float32]) -> list[float]:
    """The box of a mask with clear edges, and the margin that the export adds, by hand."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, right = columns[0] / lungs.SIZE, (columns[-1] + 1) / lungs.SIZE
    top, bottom = rows[0] / lungs.SIZE, (rows[-1] + 1) / lungs.SIZE
    across, down = 0.06 * (right - left), 0.06 * (bottom - top)
    return [left - across, top - down, right + across, bottom + down]


def test_a_model_file_with_lungs(
    run: tuple[Path, lungs.LocaliserReport], capfd: pytest.CaptureFixture[str]
) -> None:
    localiser, _ = lungs.load_localiser(run[0])
    network = ARCHITECTURES["efficientnet_lite0"](64, 3, 0.0)
    graph = build_graph(network, Scaling())
    image = np.stack([np.asarray(draw(np.random.default_rng(7), 64)[0])] * 2)[..., np.newaxis]
    before = open_graph(graph).run(None, {"image": image})
    add_lungs(graph, localiser, 64)
    names = [output.name for output in graph.graph.output]
    assert names == ["probabilities", "evidence", "lungs", "lung_mask"]
    capfd.readouterr()
    session = open_graph(graph)
    # what the runtime warns of would stand in the service's log
    assert capfd.readouterr().err == ""
    values = dict(zip(names, session.run(None, {"image": image}), strict=True))
    np.testing.assert_allclose(values["probabilities"], before[0], atol=1e-6)
    expected = lungs.find_lungs(localiser, image)
    np.testing.assert_allclose(values["lung_mask"], expected, atol=0.02)
    assert values["lungs"].shape == (2, 4)
    np.testing.assert_allclose(values["lungs"][0], boxes_of(expected[0] >= 0.5), atol=0.03)
    onnx.checker.check_model(graph)


def test_where_nothing_is_lung_there_is_no_box() -> None:
    blind = lungs.lung_localiser()
    kernel, bias = blind.get_layer("lung").get_weights()
    blind.get_layer("lung").set_weights([kernel * 0, bias - 9])
    graph = build_graph(ARCHITECTURES["efficientnet_lite0"](64, 3, 0.0), Scaling())
    add_lungs(graph, blind, 64)
    image = np.asarray(draw(np.random.default_rng(7), 64)[0])[np.newaxis, ..., np.newaxis]
    assert open_graph(graph).run(["lungs"], {"image": image})[0].tolist() == [[0, 0, 0, 0]]


def test_the_localiser_is_small() -> None:
    model: keras.Model = lungs.lung_localiser()
    assert model.count_params() < 25_000
