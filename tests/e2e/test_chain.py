"""From labelled images to answers over HTTP, by the commands a user types."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from export import parity
from service.cli import main
from service.inference.contract import Contract
from service.inference.model import OnnxModel
from tests.dataset import write_dataset
from tests.eager import WARNING, eagerly
from tests.needs import SHARED
from tests.process import ROOT, service_process
from tests.waiting import LONG_PATIENCE_SECONDS, wait_until

REAL = SHARED / "data" / "chest_xray" / "train"
SIZES = 48, 64

# Keras asks NumPy for a copy in a way that it warns of; the commands run outside pytest as well
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings(WARNING),
]


def pneumonia(*words: object) -> subprocess.CompletedProcess[str]:
    """Run ``pneumonia WORDS`` as a process."""
    done = subprocess.run(
        [sys.executable, "-m", "service", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def in_process(*words: object, succeed: bool = True) -> None:
    """Run ``pneumonia WORDS`` here, which saves the start of TensorFlow."""
    assert (main([*map(str, words)]) == 0) == succeed


@dataclass(frozen=True)
class Chain:
    """What a small training left behind."""

    data: Path
    run: Path
    model: Path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real images where they are at hand, made ones elsewhere."""
    folder = tmp_path_factory.mktemp("chain") / "data"
    if not REAL.exists():
        write_dataset(folder, patients=24, images=1)
        return folder
    for name, files in (
        ("NORMAL", sorted((REAL / "NORMAL").iterdir())[:24]),
        ("PNEUMONIA", sorted((REAL / "PNEUMONIA").iterdir())[:48]),
    ):
        (folder / "train" / name).mkdir(parents=True)
        for file in files:
            shutil.copy(file, folder / "train" / name)
    return folder


@pytest.fixture(scope="module")
def chain(data: Path) -> Chain:
    """Pretrained network, two short phases, exported; a held-out block asks for no other folds."""
    run, model = data.parent / "run", data.parent / "models" / "chain.onnx"
    with eagerly():
        in_process(
            *("train", data, "--out", run, "--block", 2, "--batch", 8),
            *("--phase", f"{SIZES[0]}:0.7:1:0.002", "--phase", f"{SIZES[1]}:0.7:1:0.001"),
        )
    with redirect_stderr(StringIO()) as said, pytest.MonkeyPatch.context() as patch:
        # calibration of so little training divides by a low temperature, which enlarges what
        # storing kernels in eight bits rounds off
        patch.setattr(parity, "TOLERANCE", 0.2)
        in_process("export", run, "--out", model, "--force")
    assert "no input check" not in said.getvalue()
    assert "--population" in said.getvalue()
    return Chain(data, run, model)


def test_the_run_folder_says_how_the_model_came_about(chain: Chain) -> None:
    configuration = json.loads((chain.run / "configuration.json").read_text())
    assert configuration["recipe"]["architecture"] == "efficientnet_lite0"
    assert len(configuration["training_fingerprint"]) == 64
    assert configuration["block"] == 2
    assert configuration["versions"]["tensorflow"]
    assert configuration["training_images"] + configuration["validation_images"] == 72
    with (chain.run / "history.csv").open() as stream:
        rows = [(row["epoch"], row["size"]) for row in csv.DictReader(stream)]
    assert rows == [("1", str(SIZES[0])), ("2", str(SIZES[1]))]
    assert (chain.run / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_exported_evidence_is_exact(chain: Chain) -> None:
    """The spatial mean of a map plus the classifier's bias is the uncalibrated logit."""
    import keras

    network = keras.models.load_model(chain.run / "model.keras", compile=False)
    bias = network.get_layer("classifier").get_weights()[1]
    session = ort.InferenceSession(chain.model)
    contract = Contract.from_metadata(session.get_modelmeta().custom_metadata_map)
    images = np.random.default_rng(0).integers(0, 256, (3, SIZES[1], SIZES[1], 1)).astype(np.uint8)
    probabilities, evidence = session.run(["probabilities", "evidence"], {"image": images})
    logits = evidence.mean(axis=(2, 3)) + bias
    odds = np.log(np.exp(logits[:, 1:]).sum(axis=1)) - logits[:, 0]
    ill = 1 / (1 + np.exp(-odds / contract.temperature - contract.offset))
    kinds = np.exp(logits[:, 1:] / contract.subtype_temperature)
    kinds *= (ill / kinds.sum(axis=1))[:, np.newaxis]
    assert np.allclose(probabilities, np.column_stack([1 - ill, kinds]), atol=1e-5)
    # large kernels are stored in eight bits
    assert np.allclose(logits, network(images.astype(np.float32)), atol=0.2)


def test_the_contract_tells_the_whole_story(chain: Chain) -> None:
    session = ort.InferenceSession(chain.model)
    contract = Contract.from_metadata(session.get_modelmeta().custom_metadata_map)
    assert contract.labels == ("normal", "bacterial", "viral")
    assert (contract.input.height, contract.input.width) == (SIZES[1], SIZES[1])
    assert [point.name for point in contract.operating_points] == ["balanced", "screening"]
    balanced, screening = contract.operating_points
    assert screening.threshold <= balanced.threshold
    assert contract.parity["largest_difference"] <= contract.parity["tolerance"]
    assert contract.input_check_limit is not None
    assert "fingerprint" in contract.training_data


def test_eight_bits_keep_the_input_check(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export import parity, quantize

    # a network that learnt so little is far off; test_own_classes.py shows the refusal
    monkeypatch.setattr(quantize, "AUROC_TOLERANCE", 1)
    monkeypatch.setattr(quantize, "SHARE_TOLERANCE", 1)
    monkeypatch.setattr(parity, "INT8_TOLERANCE", 1)
    out = tmp_path / "int8.onnx"
    in_process("export", chain.run, "--int8", chain.data, "--out", out, "--force")
    contract = OnnxModel(out).contract
    assert contract.input_check_limit is not None
    assert 0 <= contract.metrics["refused_clean_int8"] <= 1


def test_accuracy_is_weighed_against_speed(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export import tradeoff
    from training.reports import model_blocks

    words = ["tradeoff", chain.run, chain.data, "--rounds", 1, "--out", tmp_path]
    monkeypatch.setattr("sys.argv", list(map(str, words)))
    tradeoff.main()
    report = json.loads((tmp_path / "tradeoff.json").read_text())
    assert list(report["models"]) == ["float32, 64", "int8, 64", "float32, 224"]
    assert report["models"]["float32, 224"]["time"] == 1
    assert 0 <= report["models"]["int8, 64"]["auroc_shifted"] <= 1
    assert "| float32, 64 (ships) |" in model_blocks.tradeoff(report)


def test_the_service_answers_as_the_report_and_the_command_line_do(
    chain: Chain, tmp_path: Path
) -> None:
    pneumonia("evaluate", chain.model, chain.data, "--part", "train", "--out", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["images"] == len(list((chain.data / "train").glob("*/*")))
    assert report["refused"] < 0.05 * report["images"]
    with (tmp_path / "report" / "answers.csv").open() as stream:
        answers = {row["file"]: row for row in csv.DictReader(stream)}
    files = sorted((chain.data / "train").glob("*/*"))[::30]
    files = [file for file in files if answers[file.name]["decision"] != "refused"]
    told = pneumonia("predict", "--model", chain.model, *files)
    offline = [json.loads(line) for line in told.stdout.splitlines()]
    with service_process(chain.model, tmp_path) as service:
        for file, said in zip(files, offline, strict=True):
            with file.open("rb") as stream:
                answer = service.post("/predict", files={"file": stream}).json()
            assert answer["probabilities"] == pytest.approx(said["probabilities"], abs=1e-6)
            assert answer["decision"] == said["decision"] == answers[file.name]["decision"]
            assert answer["probabilities"]["viral"] == pytest.approx(
                float(answers[file.name]["viral"]), abs=1e-6
            )
        overlay = service.post(
            "/explain",
            content=files[0].read_bytes(),
            headers={"content-type": "image/jpeg"},
        )
        assert overlay.headers["content-type"] == "image/png"


def test_keras_and_onnx_files_are_scored_alike_and_compared(
    chain: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = chain.run / "model.keras"
    words = ["--only", chain.run / "validation.txt", "--out", tmp_path, "--width", 0.2]
    in_process("evaluate", chain.model, chain.data, *words, "--against", network)
    said = capsys.readouterr().out
    assert {file.name for file in tmp_path.iterdir()} >= {
        "report.md",
        "report.html",
        "roc.png",
        "precision_recall.png",
        "confusion.png",
        "reliability.png",
        "histogram.png",
    }
    comparison = json.loads((tmp_path / "comparison.json").read_text())
    assert comparison["models"] == ["chain.onnx", "model.keras"]
    report = json.loads((tmp_path / "report.json").read_text())
    assert comparison["images"] + comparison["left_out"] == report["images"]
    auroc = comparison["differences"]["auroc"]
    assert auroc["one"] == pytest.approx(auroc["other"], abs=0.02)
    assert auroc["low"] <= auroc["one"] - auroc["other"] <= auroc["high"]
    assert f"p {auroc['p']:.3f} (DeLong {comparison['delong']:.3f})" in said
    assert "# chain.onnx against model.keras" in (tmp_path / "comparison.md").read_text()
    *_, needed, what_to_do = said.splitlines()
    assert needed.startswith("A 95 % interval 0.2 wide needs about ")
    assert what_to_do.startswith("What to do: collect more images.")
    assert needed in (tmp_path / "report.md").read_text()


def test_an_interrupted_run_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After Ctrl-C in its second epoch and ``--resume``, it ends as one that was left alone."""
    write_dataset(tmp_path / "data", patients=8, images=1)
    words = ["train", str(tmp_path / "data"), "--arch", "cnn", "--folds", "2", "--screen"]
    words += ["--phase", "32:0:2:0.003:norms", "--phase", "48:0:1:0.001:norms"]
    in_process(*words, "--out", tmp_path / "whole")
    cut = tmp_path / "cut"
    command = [sys.executable, "-m", "service", *words, "--out", str(cut)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that runs the tests in the background makes its children ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        state = cut / "state.json"
        wait_until(state.exists, "the first epoch is over", seconds=LONG_PATIENCE_SECONDS)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate()
    assert process.returncode == 130
    assert f"Go on with: pneumonia train --resume {cut}" in error
    assert "Traceback" not in error
    assert not set("\b\r\x1b") & set(out), "control codes in what is no terminal"
    assert out.count("epoch 1 of 3") == 1
    assert json.loads((cut / "state.json").read_text())["epochs"] < 3
    capsys.readouterr()
    in_process(*words, "--out", cut, succeed=False)
    assert f"holds a run already. Continue it with --resume {cut}" in capsys.readouterr().err
    in_process("train", "--resume", cut, "--batch", 8, succeed=False)
    assert "batch: 32 then, 8 now" in capsys.readouterr().err
    in_process("train", "--resume", cut)
    losses = []
    for name in ("whole", "cut"):
        with (tmp_path / name / "history.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert [row["epoch"] for row in rows] == ["1", "2", "3"]
        losses.append([float(row["loss"]) for row in rows])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_a_model_of_few_images_is_made_only_by_force_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All images count, each predicted by the network of a fold that did not see its patient."""
    data, run, model = tmp_path / "data", tmp_path / "run", tmp_path / "cnn.onnx"
    write_dataset(data, patients=18, images=1)
    in_process(
        "train", data, "--out", run, "--arch", "cnn", "--folds", 2, "--size", 32, "--epochs", 1
    )
    assert "trained for each of 2 folds" in capsys.readouterr().out
    with np.load(run / "out_of_fold.npz") as all_images, np.load(run / "validation.npz") as one:
        assert len(all_images["targets"]) == 54 > len(one["targets"])
        assert len(np.unique(all_images["groups"])) == 54
    folds = json.loads((run / "cross_validation.json").read_text())
    assert len(folds["folds"]) == 2
    assert folds["auroc"]["low"] <= folds["auroc"]["value"] <= folds["auroc"]["high"]
    assert "| standard deviation |" in (run / "cross_validation.md").read_text()
    words = ["export", run, "--out", model, "--population", "adults here", "--ages", 18, 100]
    in_process(*words, succeed=False)
    said = capsys.readouterr().err
    reason = "Only 18 held-out images are normal; thresholds and calibration need at least 30."
    assert reason in said
    assert "Nothing is written" in said
    assert not model.exists()
    in_process(*words, "--force")
    assert "--population" not in capsys.readouterr().err
    image = next((data / "train" / "NORMAL").iterdir()).read_bytes()
    with service_process(model, tmp_path) as service:
        contract = service.get("/model").json()["contract"]
        assert contract["objections"][0] == reason
        assert "54 predictions for images of 54 patients" in contract["calibration"]
        assert contract["input_check_limit"] > 0
        assert contract["population"] == "adults here"
        assert contract["population_age_years"] == [18, 100]
        headers = {"content-type": "image/jpeg"}
        answer = service.post("/predict", content=image, headers=headers)
        assert answer.status_code == 200
        overlay = service.post("/explain", content=image, headers=headers)
        assert overlay.headers["content-type"] == "image/png"


def test_what_is_no_data_no_run_and_no_model_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, sentence in (
        (("train", tmp_path / "nowhere"), "There is no folder"),
        (("export", tmp_path, "--out", tmp_path / "x.onnx"), "is not a run folder"),
        (("evaluate", tmp_path / "x.h5", tmp_path, "--out", tmp_path), "is not a data set"),
    ):
        in_process(*words, succeed=False)
        assert sentence in capsys.readouterr().err


def test_the_preview_is_an_image(data: Path, tmp_path: Path) -> None:
    in_process("train", data, "--preview", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
