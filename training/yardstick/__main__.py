"""Measure candidates on the yardstick, and compare each with the first.

`make yardstick CANDIDATES="--candidate NAME RUN [RUN ...] --candidate ..." OUT=NAME.json` calls it.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.yardstick.choice import WEIGHTS, compare, score
from training.yardstick.figures import measure
from training.yardstick.images import CHILDREN, read
from training.yardstick.scores import score as answers
from training.yardstick.scores import together
from training.yardstick.statistics import Interval, calibration


def main() -> int:
    """Measure the candidates and write the report."""
    parser = argparse.ArgumentParser(prog="python -m training.yardstick", description=__doc__)
    parser.add_argument("--children", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--adults", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--adults-table", type=Path, required=True, metavar="CSV")
    parser.add_argument("--screening", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--candidate",
        nargs="+",
        action="append",
        required=True,
        metavar=("NAME", "RUN"),
        help="a name, and run folders, each with one .keras or .onnx file and validation.txt; the "
        "first candidate is the one that the others are compared with",
    )
    parser.add_argument(
        "--together",
        nargs="+",
        default=[],
        metavar="NAME",
        help="candidates whose runs, of the same held-out images, answer as one by the mean of "
        "their log odds, instead of their figures being averaged",
    )
    parser.add_argument(
        "--held-out",
        choices=("blocked", "clean", "cluster"),
        default="blocked",
        help="which children the runs held out (default: blocked)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the report")
    arguments = parser.parse_args()
    names = [name for name, *_ in arguments.candidate]
    for name in arguments.together:
        if name not in names:
            parser.error(f"--together: {name!r} is no candidate; there are {', '.join(names)}")
    images = read(arguments.children, arguments.adults, arguments.adults_table, arguments.screening)
    known = {run: answers(Path(run), images) for _, *runs in arguments.candidate for run in runs}
    said = [[known[run] for run in runs] for _, *runs in arguments.candidate]
    for place, name in enumerate(names):
        if name in arguments.together:
            said[place] = [together(said[place], images)]
    measured = [measure(images, scores, arguments.held_out) for scores in said]
    # a candidate that has seen no adults has a figure more, which the others' scores lack
    ranked = [one for one in WEIGHTS if all(one in figures for figures in measured)]
    children = images.part == CHILDREN
    rows: list[dict[str, Any]] = []
    for (name, *runs), scores, figures in zip(arguments.candidate, said, measured, strict=True):
        held_out = [one.held_out & children for one in scores]
        row = {
            "candidate": name,
            "runs": [Path(run).name for run in runs],
            "thresholds": [one.threshold for one in scores],
            "score": asdict(Interval.of(score(figures, ranked))),
            "figures": {key: asdict(Interval.of(drawn)) for key, drawn in figures.items()},
            "calibration": [
                calibration(one.probability[held], images.y_true[held])
                for one, held in zip(scores, held_out, strict=True)
            ],
            "against_first": {
                key: asdict(one) for key, one in compare(figures, measured[0]).items()
            },
        }
        rows.append(row)
        print(name, *(f"{key} {figures[key][0]:.3f}" for key in ranked))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"candidates": rows}, indent=2) + "\n")
    print(f"wrote {arguments.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
