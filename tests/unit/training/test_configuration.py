"""Records of runs, those of earlier versions among them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from training.configuration import (
    CONFIGURATION_FILE,
    RunConfiguration,
    Selection,
    must_be_finished,
)
from training.recipe import ConfigurationError, Phase, Recipe, read_recipe

# of the runs that model 1.0.0 was made of
EARLIER = Path(__file__).parent / "earlier_runs"


@pytest.mark.parametrize("name", ["base", "seed0", "mean"])
def test_files_of_earlier_versions_are_read(name: str) -> None:
    written = json.loads((EARLIER / name / CONFIGURATION_FILE).read_text())
    read = RunConfiguration.read(EARLIER / name)
    assert read.sources == tuple(written["sources"])
    assert read.recipe.phases == tuple(Phase(**phase) for phase in written["recipe"]["phases"])
    assert read.recipe.batch == Recipe().batch, "which had no name then"
    assert read.recipe.augmentation.area == tuple(written["recipe"]["augmentation"]["area"])
    assert read.recipe.start == tuple(written["recipe"].get("start", ()))
    assert read.start_sha256 == tuple(written.get("start_sha256", ()))
    assert read.training_patients == written["training_patients"]
    assert read.versions == written["versions"]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    configuration = RunConfiguration.read(EARLIER / "mean")
    configuration.write(tmp_path)
    assert RunConfiguration.read(tmp_path) == configuration
    written = json.loads((tmp_path / CONFIGURATION_FILE).read_text())
    assert written["recipe"]["phases"][0]["rate"] == 5e-5


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "Invalid JSON"), ("{}", "recipe: Field required"), ("[]", "file: ")],
)
def test_a_file_that_describes_no_run_is_named(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / CONFIGURATION_FILE).write_text(content)
    with pytest.raises(ConfigurationError, match=says):
        RunConfiguration.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("160:0.2:8", "is not SIZE:FROZEN:EPOCHS:RATE"),
        ("160:0.2:8:0.0005:no", "is not SIZE:FROZEN:EPOCHS:RATE"),
        ("16:0.2:8:0.1", "size of a phase is 16"),
        ("160:3:8:0.1", "frozen of a phase is 3"),
        ("160:0.2:0:0.1", "epochs of a phase is 0"),
        ("160:0.2:8:1", "rate of a phase is 1"),
    ],
)
def test_a_phase_out_of_form_or_range_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Phase.parse(text)
    assert Phase.parse("160:0.18:8:0.0005:norms") == Recipe().phases[0]
    assert not Phase.parse("160:0.18:8:0.0005").norms


def test_a_recipe_file_says_what_differs_from_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(
        'architecture = "densenet121"\nbatch = 8\n'
        "[augmentation]\narea = [0.1, 1.0]\n"
        "[[phases]]\nsize = 96\nepochs = 2\n[[phases]]\nfrozen = 0\n"
    )
    recipe = read_recipe(file)
    assert (recipe.architecture, recipe.batch, recipe.augmentation.area) == (
        "densenet121",
        8,
        (0.1, 1.0),
    )
    assert recipe.phases == (Phase(size=96, epochs=2), Phase(frozen=0))
    for text, says in (
        ("batch = 0", "batch is 0; it must be at least 1"),
        ("bacth = 8", "bacth: Unexpected keyword argument"),
        ("[[phases]]\nsize = 8", "size of a phase is 8"),
        ('architecture = "vgg"', "architecture: Input should be"),
        ("batch =", "is not TOML"),
        ('architecture = "cnn"', "frozen is 0.18, and must be 0"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=says):
            read_recipe(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")


def test_a_run_is_finished_when_all_that_was_asked_for_is_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a run folder"):
        must_be_finished(tmp_path)
    for name in ("model.keras", "validation.npz"):
        (tmp_path / name).touch()
    earlier = RunConfiguration.read(EARLIER / "mean")
    earlier.write(tmp_path)
    must_be_finished(tmp_path)
    selection = Selection((Path("data"),), all_folds=True)
    replace(earlier, selection=selection).write(tmp_path)
    says = r"\(input_check.npz, out_of_fold.npz missing\)"
    with pytest.raises(ConfigurationError, match=says):
        must_be_finished(tmp_path)
    assert RunConfiguration.read(tmp_path).selection == selection
