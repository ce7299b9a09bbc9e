"""What a benchmark is run on: images, a model file, and how long."""

import argparse
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from service.settings import DEFAULT_MODEL
from tests.images import encode
from tests.process import ServiceProcess, service_process
from training.reports.files import NATIVE, RESULTS

_FEW = 50


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        folder: of JPEG files; None for synthetic images.
        seconds: how long to measure; None for as long as the benchmark needs.
        count: rounds, starts or requests; None for as many as the benchmark needs.
        only: servers to measure; none for all.
        model: the model file.
        out: the report's folder.
    """

    folder: Path | None
    seconds: float | None
    count: int | None
    only: Sequence[str]
    model: Path
    out: Path

    @cached_property
    def images(self) -> list[bytes]:
        """JPEG files."""
        return synthetic_images() if self.folder is None else images_of(self.folder)

    @property
    def few_images(self) -> list[bytes]:
        """So many of them as show what a mixture does."""
        return self.images[:: max(1, len(self.images) // _FEW)]

    @property
    def shown(self) -> str:
        """What the images are, in words."""
        return "synthetic images" if self.folder is None else "original-size chest X-rays"

    @contextmanager
    def service(self, **settings: Any) -> Iterator[ServiceProcess]:
        """A service of its own on the model file, taking requests."""
        with (
            TemporaryDirectory() as folder,
            service_process(self.model, Path(folder), **settings) as service,
        ):
            yield service


def parse(names: Sequence[str], words: Sequence[str] | None = None) -> tuple[str, Options]:
    """The benchmark that is asked for, and what it is run on."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure one thing.")
    parser.add_argument("name", choices=names)
    parser.add_argument("folder", type=Path, nargs="?", default=NATIVE, help="of JPEG files")
    parser.add_argument("--synthetic", action="store_true", help="make images, take no folder's")
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--count", type=int, help="of rounds, starts or requests")
    parser.add_argument("--only", nargs="+", default=(), help="of the servers in `peers`")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    given = vars(parser.parse_args(words))
    if given.pop("synthetic"):
        given["folder"] = None
    return given.pop("name"), Options(**given)


def images_of(folder: Path) -> list[bytes]:
    """The JPEG files under a folder.

    Raises:
        FileNotFoundError: there is none.
    """
    files = sorted(folder.rglob("*.jp*g"))
    if not files:
        raise FileNotFoundError(
            f"there is no JPEG file under {folder}: name a folder of chest X-rays, or --synthetic"
        )
    return [file.read_bytes() for file in files]


def synthetic_images(count: int = 20, height: int = 1100, width: int = 1450) -> list[bytes]:
    """Grey JPEGs with two dark lungs, seeded: what a decoder and a network must do is the same."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lungs = sum(
        np.exp(-(((columns - side) / 0.25) ** 2) - (rows / 0.6) ** 2) for side in (-0.45, 0.45)
    )
    noisy = (170 - 110 * lungs + random.normal(0, 8, (height, width)) for _ in range(count))
    images = (Image.fromarray(grey.clip(0, 255).astype(np.uint8)) for grey in noisy)
    return [encode(image, "JPEG", quality=90) for image in images]


def resized(image: bytes, megapixels: float) -> bytes:
    """The same image in grey with so many pixels, as JPEG."""
    grey = Image.open(io.BytesIO(image)).convert("L")
    scale = (megapixels * 1e6 / (grey.width * grey.height)) ** 0.5
    size = (round(grey.width * scale), round(grey.height * scale))
    return encode(grey.resize(size), "JPEG", quality=90)
