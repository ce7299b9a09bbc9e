"""``POST /explain``."""

from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.client import AppClient
from tests.conftest import ServiceFactory
from tests.images import encode
from tests.tiny_model import write_tiny_model


def half_bright(size: tuple[int, int] = (320, 256), kind: str = "PNG") -> bytes:
    """Black on the left, bright on the right: the tiny model's evidence lies on the right."""
    width, height = size
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, width // 2 :] = 220
    return encode(Image.fromarray(pixels), kind)


def image(response: httpx.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    return Image.open(BytesIO(response.content))


def colour(image: Image.Image) -> NDArray[np.int64]:
    """How far each pixel is from grey."""
    samples = np.asarray(image.convert("RGB")).astype(np.int64)
    result: NDArray[np.int64] = samples.max(axis=-1) - samples.min(axis=-1)
    return result


def test_overlay_colours_where_the_evidence_is(client: AppClient) -> None:
    result = image(client.post("/explain", files={"file": half_bright()}))
    assert (result.mode, result.size) == ("RGB", (320, 256))
    colours = colour(result)
    assert colours[:, 200:].min() > 30
    assert colours[:, :60].max() == 0


def test_alpha_0_is_the_plain_image_in_any_format(client: AppClient) -> None:
    for kind in ("PNG", "TIFF", "BMP"):
        data = half_bright(kind=kind)
        result = image(client.post("/explain", params={"alpha": 0}, files={"file": data}))
        expected = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
        assert np.array_equal(np.asarray(result), expected)


def test_alpha_is_the_opacity(client: AppClient) -> None:
    strengths = [
        colour(
            image(client.post("/explain", params={"alpha": alpha}, files={"file": half_bright()}))
        ).max()
        for alpha in (0.2, 0.5, 1)
    ]
    assert strengths == sorted(strengths)
    assert strengths[0] < strengths[2] / 3
    default = client.post("/explain", files={"file": half_bright()})
    half = client.post("/explain", params={"alpha": 0.5}, files={"file": half_bright()})
    assert default.content == half.content


def test_evidence_alone_can_be_laid_over_the_image(client: AppClient) -> None:
    data = half_bright()
    layer = image(client.post("/explain", params={"layer": "evidence"}, files={"file": data}))
    assert (layer.mode, layer.size) == ("RGBA", (320, 256))
    opacity = np.asarray(layer)[..., 3]
    assert opacity[:, :60].max() == 0
    assert opacity[:, 300].min() == 255
    plain = image(client.post("/explain", params={"alpha": 0}, files={"file": data}))
    whole = image(client.post("/explain", params={"alpha": 1}, files={"file": data}))
    laid = Image.alpha_composite(plain.convert("RGBA"), layer).convert("RGB")
    assert np.abs(np.asarray(laid).astype(int) - np.asarray(whole)).max() <= 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_images_have_a_size_to_look_at(client: AppClient, kind: str) -> None:
    data = half_bright((5000, 2500), kind)
    overlay = image(client.post("/explain", files={"file": data}))
    layer = image(client.post("/explain", params={"layer": "evidence"}, files={"file": data}))
    assert overlay.size == layer.size == (1536, 768)


def test_model_without_map(start_service: ServiceFactory, tmp_path: Path) -> None:
    model = tmp_path / "plain.onnx"
    write_tiny_model(model, evidence=False)
    client = start_service(model=model)
    response = client.post("/explain", files={"file": half_bright()})
    assert (response.status_code, response.json()["code"]) == (501, "no_evidence")
    assert client.get("/model").json()["has_evidence"] is False
    assert client.post("/predict", files={"file": half_bright()}).status_code == 200
