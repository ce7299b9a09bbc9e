"""The example that ships with the page, and what the shipped model answers for it.

    python -m training.reports.example

Writes ``answer.json``. The example is one image that no network that ships may be trained on: a run
must hold its patient out, and ``python -m training.reports.shipped`` refuses one that does not.
"""

import json
import subprocess
import sys
from collections.abc import Iterable

from training.reports.files import REPORTS, ROOT, write
from training.samples import Sample

EXAMPLE = "service/web/example.jpg"
# the same image with its grey values inverted, at half its size
REFUSED = "service/web/example-refused.jpg"
# what the example is called in the children's data set, and its label there
ORIGINAL = "person1481_bacteria_3866.jpeg"
REFERENCE = "bacterial"


def main() -> None:
    """Ask, and write the report."""
    command = [sys.executable, "-m", "service", "predict", "--quiet", EXAMPLE, REFUSED]
    # the exit code only tells that one of them is refused
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    if len(answers) != 2 or "decision" not in answers[0] or "code" not in answers[1]:
        raise SystemExit(
            f"The model must answer {EXAMPLE} and refuse {REFUSED}; it said: "
            f"{said.stdout or said.stderr}"
        )
    answer, refusal = answers
    report = {"original": ORIGINAL, "reference": REFERENCE, "answer": answer, "refusal": refusal}
    write(REPORTS / "answer.json", report)


def trained_on(samples: Iterable[Sample], held_out: set[str]) -> list[str]:
    """Names of images of the example's patient that a run was trained on.

    Args:
        samples: of the data sets of the run.
        held_out: names of the images that validate, as a run lists them.
    """
    samples = list(samples)
    patients = {sample.patient for sample in samples if sample.path.name == ORIGINAL}
    return [
        sample.name
        for sample in samples
        if sample.patient in patients and sample.name not in held_out
    ]


if __name__ == "__main__":
    main()
