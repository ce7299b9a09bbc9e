"""What would change if one model file were exchanged for another."""

import csv
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service.errors import InvalidRequest, NotAChestXray, PneumoniaError, TooLarge
from service.inference.operating_point import OperatingPoint
from service.inference.predictor import Predictor

# the order of the table's rows and columns; a refusal is an outcome, whatever its code
OUTCOMES = ("pneumonia", "uncertain", "normal", "refused")


@dataclass(frozen=True)
class Outcome:
    """What one model says of one image.

    Attributes:
        decision: ``pneumonia``, ``uncertain``, ``normal`` or ``refused``.
        probability: of pneumonia, 0..1; None where refused.
        distance: of the input check; None where the model has none, or the image did not reach it.
        code: of the refusal; None where there is an answer.
        seconds: reading the image and computing; None where refused.
    """

    decision: str
    probability: float | None
    distance: float | None
    code: str | None
    seconds: float | None = None


@dataclass(frozen=True)
class Pair:
    """What both models say of one image.

    Attributes:
        file: its path below the folder.
        before: what the first model says.
        after: what the second says.
    """

    file: str
    before: Outcome
    after: Outcome

    @property
    def changed(self) -> bool:
        """Whether the decision is another one, or there is one in place of a refusal."""
        return self.before.decision != self.after.decision

    @property
    def difference(self) -> float | None:
        """By how much the probability rises; None where either refuses."""
        if self.before.probability is None or self.after.probability is None:
            return None
        return self.after.probability - self.before.probability


def images_in(folder: Path) -> list[Path]:
    """All files below a folder but hidden ones, in order.

    Raises:
        InvalidRequest: there are none.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    shown = [
        path
        for path in files
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not shown:
        raise InvalidRequest(f"{folder} is not a folder with images: give one that has some.")
    return sorted(shown)


def compare(
    predictors: tuple[Predictor, Predictor],
    folder: Path,
    point: str,
    max_bytes: int,
    threads: int,
) -> Iterator[Pair]:
    """Ask both models about every file of a folder, in the order of :func:`images_in`.

    Args:
        predictors: the model that is used now, and the one that might be.
        folder: of images.
        point: name of an operating point that both have.
        max_bytes: largest file that is read.
        threads: images at the same time.

    Raises:
        InvalidRequest: no images, or a model has no such operating point.
    """
    points = [each.model.contract.operating_point(point) for each in predictors]
    paths = images_in(folder)

    def ask(path: Path) -> Pair:
        before, after = (
            _ask(predictor, path, rule, max_bytes)
            for predictor, rule in zip(predictors, points, strict=True)
        )
        return Pair(path.relative_to(folder).as_posix(), before, after)

    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(ask, paths)
        finally:
            pool.shutdown(cancel_futures=True)


def _ask(predictor: Predictor, path: Path, point: OperatingPoint, max_bytes: int) -> Outcome:
    try:
        if path.stat().st_size > max_bytes:
            raise TooLarge("More bytes than are accepted.")
        found = predictor.predict(path.read_bytes(), point)
    except PneumoniaError as error:
        distance = error.distance if isinstance(error, NotAChestXray) else None
        return Outcome("refused", None, distance, error.code)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.") from error
    seconds = found.decode_seconds + found.inference_seconds
    return Outcome(found.decision, found.probability, found.input_check.distance, None, seconds)


def summarise(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The differences in numbers.

    Returns:
        ``images``; ``changed``, those with another outcome; ``decisions``, how many went from which
        outcome to which; ``differences`` of the probability where both answer: their mean, the mean
        of their sizes, and the median, 95th percentile and largest of the sizes; ``refused_only``
        by the first model and by the second, and by ``both``; ``time``, the second model's as a
        part of the first's, for reading and computing the images that both answer, None where
        there is none.
    """
    table = Counter((pair.before.decision, pair.after.decision) for pair in pairs)
    differences = [pair.difference for pair in pairs if pair.difference is not None]
    refused = [(pair.before.code is not None, pair.after.code is not None) for pair in pairs]
    return {
        "images": len(pairs),
        "changed": sum(pair.changed for pair in pairs),
        "decisions": {
            before: {after: table[before, after] for after in OUTCOMES} for before in OUTCOMES
        },
        "differences": _spread(differences),
        "refused_only": {
            "before": refused.count((True, False)),
            "after": refused.count((False, True)),
            "both": refused.count((True, True)),
        },
        "time": _time(pairs),
    }


def _time(pairs: Sequence[Pair]) -> float | None:
    seconds = [
        (pair.before.seconds, pair.after.seconds)
        for pair in pairs
        if pair.before.seconds and pair.after.seconds
    ]
    return (
        sum(after for _, after in seconds) / sum(before for before, _ in seconds)
        if seconds
        else None
    )


def _spread(differences: Sequence[float]) -> dict[str, float | int]:
    sizes = sorted(map(abs, differences))
    if not sizes:
        return {"images": 0}
    return {
        "images": len(sizes),
        "mean": statistics.fmean(differences),
        "mean_size": statistics.fmean(sizes),
        "median_size": statistics.median(sizes),
        "p95_size": sizes[int(0.95 * (len(sizes) - 1) + 0.5)],
        "largest": sizes[-1],
    }


def write_csv(pairs: Sequence[Pair], path: Path) -> None:
    """One row an image: the outcomes of both models side by side."""
    names = ["file", "changed", "difference"]
    fields = ("decision", "probability", "distance", "code", "seconds")
    names += [f"{field}_{which}" for field in fields for which in ("before", "after")]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for pair in pairs:
            row = {"file": pair.file, "changed": pair.changed, "difference": pair.difference}
            for which, outcome in (("before", pair.before), ("after", pair.after)):
                row |= {f"{field}_{which}": value for field, value in asdict(outcome).items()}
            writer.writerow(row)
