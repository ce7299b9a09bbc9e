"""The shipped model behind the whole service, on real X-rays where there are any."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from benchmarks.drift import drift, scaled
from service.http.app import create_app
from service.imaging.preprocess import DECODE_MARGIN
from service.inference.model import OnnxModel
from service.settings import Settings
from tests.client import AppClient, running
from tests.needs import shared, shipped_model
from tests.process import ROOT
from training.reports.shipped import EXAMPLE, REFUSED

# 50 megapixels in the shape of the original
LARGE = 50_000_000


@pytest.fixture(scope="module")
def shipped() -> Iterator[AppClient]:
    """A service as it comes."""
    settings = Settings(model=shipped_model(), max_wait_seconds=600, deadline_seconds=600)
    with running(create_app(settings)) as client:
        client.wait_until_ready()
        yield client


def x_rays(kind: str) -> list[Path]:
    return sorted(shared("data", "chest_xray_native", kind).glob("*.jp*g"))[:2]


def test_one_example_is_answered_and_the_other_refused(shipped: AppClient) -> None:
    answer = shipped.post("/predict", content=(ROOT / EXAMPLE).read_bytes()).json()
    assert answer["decision"] == "pneumonia"  # as the reference
    refusal = shipped.post("/predict", content=(ROOT / REFUSED).read_bytes())
    assert (refusal.status_code, refusal.json()["code"]) == (422, "not_a_chest_xray")
    assert refusal.json()["suspected_cause"] == "inverted"


@pytest.mark.parametrize(
    ("kind", "encoding", "options"),
    [("NORMAL", "PNG", {"compress_level": 1}), ("PNEUMONIA", "JPEG", {"quality": 92})],
)
def test_fifty_megapixels_are_answered_like_the_original(
    shipped: AppClient, kind: str, encoding: str, options: dict[str, int]
) -> None:
    path = x_rays(kind)[0]
    original = Image.open(path).convert("L")
    scale = (LARGE / (original.width * original.height)) ** 0.5
    size = (round(original.width * scale), round(original.height * scale))
    stream = BytesIO()
    original.resize(size, Image.Resampling.BICUBIC).save(stream, encoding, **options)
    small = shipped.post("/predict", content=path.read_bytes()).json()
    large = shipped.post("/predict", content=stream.getvalue()).json()
    assert (large["image"]["width"], large["image"]["height"]) == size
    assert large["probability"] == pytest.approx(small["probability"], abs=0.02)
    assert large["decision"] == small["decision"]


@pytest.mark.parametrize("kind", ["NORMAL", "PNEUMONIA"])
def test_real_x_rays_are_judged_and_explained(shipped: AppClient, kind: str) -> None:
    for path in x_rays(kind):
        answer = shipped.post("/predict", files={"file": path.read_bytes()})
        assert answer.status_code == 200, answer.text
        assert sum(answer.json()["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        image = shipped.post("/explain", files={"file": path.read_bytes()})
        assert image.headers["content-type"] == "image/png"
        assert Image.open(BytesIO(image.content)).mode == "RGB"


@pytest.mark.parametrize("kind", ["NORMAL", "PNEUMONIA"])
def test_an_inverted_x_ray_is_refused_by_name(shipped: AppClient, kind: str) -> None:
    for path in x_rays(kind):
        stream = BytesIO()
        ImageOps.invert(Image.open(path).convert("L")).save(stream, "PNG")
        problem = shipped.post("/predict", files={"file": stream.getvalue()}).json()
        assert (problem["code"], problem["suspected_cause"]) == ("not_a_chest_xray", "inverted")
        assert "inverted" in problem["detail"]


def test_scaled_decoding_changes_no_decision() -> None:
    files = sorted(shared("data", "chest_xray_native").rglob("*.jp*g"))
    images = [file.read_bytes() for file in files]
    model = OnnxModel(shipped_model())
    found = drift(model, images, scaled(model, DECODE_MARGIN))
    assert found["mean"] <= 0.003
    assert found["largest"] <= 0.05
    assert found["decisions_changed"] == 0
