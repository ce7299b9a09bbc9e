"""Networks that read lungs, and networks that read devices, on the yardstick."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.cli import main as main_command
from tests.dataset import chest, write_dataset
from tests.process import ROOT
from training.data import DataError
from training.yardstick.__main__ import main
from training.yardstick.choice import WEIGHTS, compare
from training.yardstick.figures import measure
from training.yardstick.images import ADULTS, CHILDREN, SCREENING, Images, read
from training.yardstick.scores import Scores, equal_error_threshold, score, together
from training.yardstick.statistics import Interval


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Children, adults with their table, and a screening programme."""
    folder: Path = tmp_path_factory.mktemp("yardstick")
    write_dataset(folder / "children", patients=12)
    generator = np.random.default_rng(5)
    lines = ["file,age_years,view"]
    for number in range(16):
        label = "NORMAL" if number % 2 else "PNEUMONIA"
        file = folder / "adults" / label / f"{number:08d}_000.jpeg"
        file.parent.mkdir(parents=True, exist_ok=True)
        chest(generator, 0 if number % 2 else 90).save(file)
        age = 12 if number < 2 else 40
        lines.append(f"{label}/{file.name},{age},{'AP' if number < 8 else 'PA'}")
    (folder / "adults.csv").write_text("\n".join(lines) + "\n")
    for label in ("NORMAL", "TB"):
        for number in range(4):
            file = folder / "screening" / label / f"{label}_{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            chest(generator, 0 if label == "NORMAL" else 60).save(file)
    return folder


@pytest.fixture(scope="module")
def images(folder: Path) -> Images:
    read_ones = read(
        folder / "children", folder / "adults", folder / "adults.csv", folder / "screening"
    )
    # made images all come from one device: say whose device misleads, and who chooses
    children = read_ones.part == CHILDREN
    order = np.arange(len(read_ones))
    return replace(
        read_ones,
        conflicting=children & (order % 3 == 0),
        choosing=children & (read_ones.patients % 2 == 0),
    )


def _said(images: Images, probability: np.ndarray, held_out: np.ndarray) -> Scores:
    nothing = np.full(len(images), np.nan)
    return Scores(np.where(held_out, probability, np.nan), nothing + 1, nothing, nothing, 0.5)


def _everyone(images: Images) -> np.ndarray:
    return np.ones(len(images), bool)


def test_what_is_known_of_each_image(images: Images) -> None:
    assert len(images) == 72 + 16 + 8
    assert images.y_true[images.part == CHILDREN].sum() == 48
    assert images.viral.sum() == 24
    assert (images.view != "").sum() == 14  # two adults are children
    assert not images.conflicting[images.part != CHILDREN].any()
    assert "screening/TB_0.png" in images.names
    patients = [set(images.patients[images.part == part]) for part in np.unique(images.part)]
    assert not set.intersection(*patients)


def test_images_of_one_patient_fall_into_one_half(folder: Path) -> None:
    again = read(
        folder / "children", folder / "adults", folder / "adults.csv", folder / "screening"
    )
    for patient in np.unique(again.patients):
        assert len(np.unique(again.choosing[again.patients == patient])) == 1
    children = again.choosing[again.part == CHILDREN]
    assert children.any()
    assert not children.all()


def test_a_reader_of_lungs_is_right_and_a_reader_of_devices_wrong_where_they_conflict(
    images: Images,
) -> None:
    lungs = images.y_true.astype(float)
    device = (images.y_true ^ images.conflicting).astype(float)
    for probability, expected in ((lungs, 1.0), (device, 0.0)):
        figures = measure(images, [_said(images, probability, _everyone(images))], "blocked")
        assert figures["conflicting"][0] == expected
        assert figures["conflicting_report"][0] == expected
        assert figures["conflicting_sensitivity"][0] == expected
    # the device says the same of both there, so its reader can only guess
    assert figures["same_look"][0] == 0.5
    assert figures["blocked"][0] < 1


def test_only_what_was_held_out_counts(images: Images) -> None:
    wrong = 1 - images.y_true.astype(float)
    learnt = (images.part == CHILDREN) & (images.patients % 3 == 0)
    probability = np.where(learnt, wrong, images.y_true)
    figures = measure(images, [_said(images, probability, ~learnt)], "blocked")
    assert figures["blocked"][0] == 1


def test_adults_are_unseen_only_where_none_was_learnt_from(images: Images) -> None:
    probability = images.y_true.astype(float)
    none = measure(images, [_said(images, probability, _everyone(images))], "blocked")
    assert none["unseen"][0] == none["unseen_ap"][0] == none["unseen_pa"][0] == 1
    half = (images.part == CHILDREN) | (images.part == SCREENING) | (images.patients % 4 < 2)
    some = measure(images, [_said(images, probability, half)], "blocked")
    assert "unseen" not in some
    assert some["adults_ap"][0] == 1


def test_folds_are_averaged_and_their_scores_never_pooled(images: Images) -> None:
    """Two networks, each right, whose scores lie at different heights."""
    first = images.patients % 2 == 0
    runs = [
        _said(images, 0.1 + 0.1 * images.y_true, first | (images.part != CHILDREN)),
        _said(images, 0.8 + 0.1 * images.y_true, ~first | (images.part != CHILDREN)),
    ]
    assert measure(images, runs, "blocked")["blocked"][0] == 1


def test_networks_that_err_on_different_images_are_right_together(images: Images) -> None:
    everyone = _everyone(images)
    truth = np.where(images.y_true, 0.8, 0.2)
    errs = np.random.default_rng(0).permutation(len(images)).argsort() % 3
    each = [_said(images, np.where(errs == one, 1 - truth, truth), everyone) for one in range(3)]
    both = together(each, images)
    assert measure(images, [both], "blocked")["blocked"][0] == 1
    assert measure(images, each, "blocked")["blocked"][0] < 0.9
    other = _said(images, truth, everyone & (np.arange(len(images)) > 0))
    with pytest.raises(DataError, match="held out the same images"):
        together([each[0], other], images)


def test_a_better_network_is_told_from_a_worse_one_and_an_equal_one_is_not(images: Images) -> None:
    generator = np.random.default_rng(7)
    noise = generator.random(len(images))
    good = measure(
        images, [_said(images, images.y_true + 0.2 * noise, _everyone(images))], "blocked"
    )
    bad = measure(images, [_said(images, noise, _everyone(images))], "blocked")
    difference = compare(good, bad)["score"]
    assert difference.low > 0
    assert compare(good, good)["score"] == Interval(0.0, 0.0, 0.0)


def test_the_threshold_is_where_both_errors_are_equal() -> None:
    generator = np.random.default_rng(0)
    y_true = generator.random(2000) < 0.7
    probability = generator.normal(y_true, 1.0)
    threshold = equal_error_threshold(probability, y_true)
    sensitivity, specificity = (
        (probability >= threshold)[y_true],
        (probability < threshold)[~y_true],
    )
    assert sensitivity.mean() == pytest.approx(specificity.mean(), abs=0.01)


def test_a_folder_that_is_no_run_is_refused(images: Images, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model\.keras or one \.onnx file, and validation\.txt"):
        score(tmp_path, images)
    (tmp_path / "model.onnx").touch()
    (tmp_path / "validation.txt").write_text("children/nobody.jpeg\n")
    with pytest.raises(DataError, match="nobody"):
        score(tmp_path, images)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_adults_that_a_run_was_not_given_are_held_out(
    folder: Path, images: Images, tmp_path: Path
) -> None:
    """Without them among its data sets they are a source never seen."""
    words = ["train", str(folder / "children"), "--arch", "cnn", "--phase", "32:0:1:0.001"]
    for name, also in (("without", []), ("with", ["--also", str(folder / "adults")])):
        out = tmp_path / name
        given = [*words, "--folds", "3", "--screen", *also, "--out", str(out)]
        assert main_command(given) == 0
        said = score(out, images)
        assert bool(said.held_out[images.part == ADULTS].all()) == (name == "without")
        assert not said.held_out[images.part == CHILDREN].all()


def test_an_adult_without_a_row_in_the_table_is_refused(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("file,age_years,view\n")
    with pytest.raises(DataError, match="says nothing of"):
        read(folder / "children", folder / "adults", table, folder / "screening")


def test_the_command_measures_a_model_file_and_writes_a_report(
    folder: Path, images: Images, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [*zip(images.names, images.part, strict=True)]
    adults = [name for name, part in parts if part == ADULTS]
    held_out = [name for name, part in parts if part != SCREENING]
    runs = {"all": held_out, "some": [name for name in held_out if name not in adults[::2]]}
    for name, names in runs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(tiny_model.read_bytes())
        (tmp_path / name / "validation.txt").write_text("\n".join(names) + "\n")
    run = tmp_path / "all"
    out = tmp_path / "report" / "yardstick.json"
    words: Sequence[Path | str] = (
        "yardstick",
        *("--children", folder / "children", "--adults", folder / "adults"),
        *("--adults-table", folder / "adults.csv", "--screening", folder / "screening"),
        *("--candidate", "one", run, "--candidate", "again", run),
        *("--candidate", "has learnt from adults", tmp_path / "some", "--out", out),
    )
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    assert main() == 0
    one, again, knows_adults = json.loads(out.read_text())["candidates"]
    assert one["candidate"] == "one"
    assert one["figures"] == again["figures"]
    assert again["against_first"]["score"] == {"value": 0, "low": 0, "high": 0}
    assert 0 <= one["figures"]["healthy_adults_refused"]["value"] <= 1
    # adults that one of them has learnt from count in no score
    assert "unseen" in one["figures"]
    assert "unseen" not in knows_adults["figures"]
    assert knows_adults["score"] == one["score"]


def test_only_candidates_can_answer_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["yardstick", "--candidate", "one", "run", "--together", "on", "--out", "report.json"]
    for option in ("children", "adults", "adults-table", "screening"):
        words += [f"--{option}", str(folder)]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit):
        main()
    assert "'on' is no candidate; there are one" in capsys.readouterr().err


def test_the_page_states_the_weights_of_the_score() -> None:
    """`unseen` is written as the two views that it is the mean of."""
    text = (ROOT / "docs" / "yardstick.md").read_text()
    table = text[text.index("The score is the weighted mean") :].split("\n\n")[1].split("\n")
    names, weights = ([cell.strip() for cell in line.strip("| ").split("|")] for line in table[::2])
    written = [name.replace("`", "").removeprefix("mean of ").split("_ap")[0] for name in names]
    assert dict(zip(written, map(float, weights), strict=True)) == WEIGHTS
