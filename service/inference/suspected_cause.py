"""What was done to a chest X-ray that the input check refused, where it can be put right.

Inverted grey values are the commonest mistake with DICOM files (MONOCHROME1 read as MONOCHROME2 or
the other way round), images turned on their side the commonest with photographs of films.
"""

import numpy as np

from service.errors import SuspectedCause
from service.imaging.radiograph import Pixels
from service.inference.model import Model

ADVICE: dict[SuspectedCause, str] = {
    "inverted": "It looks like a chest X-ray whose grey values are inverted. Send it with bones "
    "white and air black.",
    "upside_down": "It looks like a chest X-ray upside down. Send it with the head above.",
    "sideways": "It looks like a chest X-ray on its side. Send it with the head above.",
    "not_frontal": "Two lungs side by side were not found. Send a frontal view, not a lateral or "
    "an oblique one. If it is frontal, a lung may be opaque: have a person read it.",
    "no_lungs": "No lungs were found. Send a frontal chest X-ray that shows both lungs.",
    "lungs_cut_off": "Part of the lungs is cut off. Send the whole X-ray, with both lungs.",
}


def find_suspected_cause(model: Model, image: Pixels, limit: float) -> SuspectedCause | None:
    """Undo each known mistake and see which result the input check accepts as a chest X-ray.

    Args:
        model: with an input check.
        image: the model's input, refused as it is, uint8 ``[height, width, 1]``.
        limit: the largest distance that is accepted.

    Returns:
        The one whose undoing lies nearest, None where none is accepted.
    """
    undone: list[tuple[SuspectedCause, Pixels]] = [
        ("inverted", 255 - image),
        ("upside_down", image[::-1, ::-1]),
    ]
    if image.shape[0] == image.shape[1]:
        undone += [("sideways", np.rot90(image)), ("sideways", np.rot90(image, 3))]
    distances = model.run(np.stack([pixels for _, pixels in undone])).distance
    assert distances is not None  # it was refused by distance
    nearest = int(distances.argmin())
    return undone[nearest][0] if distances[nearest] <= limit else None
