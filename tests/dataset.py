"""A made data set in the Kaggle layout: pneumonia is a bright cloud in the lungs."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_dataset(
    folder: Path, patients: int = 12, images: int = 2, part: str | None = "train", seed: int = 0
) -> None:
    """Write normal, bacterial and viral images, ``images`` of each of ``patients`` patients."""
    generator = np.random.default_rng(seed)
    root = folder / part if part else folder
    for name in ("NORMAL", "PNEUMONIA"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for patient in range(patients):
        for number in range(images):
            files = {
                f"NORMAL/IM-{patient:04d}-{number:04d}.jpeg": 0,
                f"PNEUMONIA/person{patient}_bacteria_{number}.jpeg": 90,
                f"PNEUMONIA/person{patient}_virus_{number}.jpeg": 45,
            }
            for file, cloud in files.items():
                chest(generator, cloud).save(root / file, quality=90)


def chest(generator: np.random.Generator, cloud: int, size: int = 160) -> Image.Image:
    """A bright body with two dark lungs; ``cloud`` brightens a part of one."""
    y, x = np.indices((size, size)) / size
    grey = np.full((size, size), 170.0) + generator.normal(0, 6, (size, size))
    for centre in (0.3, 0.7):
        grey[((x - centre) / 0.15) ** 2 + ((y - 0.5) / 0.35) ** 2 < 1] -= 120
    middle = (generator.choice([0.3, 0.7]), generator.uniform(0.4, 0.6))
    grey += cloud * np.exp(-(((x - middle[0]) / 0.12) ** 2 + ((y - middle[1]) / 0.2) ** 2))
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
