"""Records of runs, those of earlier versions among them."""

import json
from pathlib import Path

import pytest

from training.configuration import (
    CONFIGURATION_FILE,
    ConfigurationError,
    Phase,
    Recipe,
    RunConfiguration,
)

REPORTS = Path(__file__).parent.parent.parent.parent / "models" / "reports"


@pytest.mark.parametrize("name", ["base", "seed0", "run"])
def test_files_of_earlier_versions_are_read(name: str) -> None:
    written = json.loads((REPORTS / name / CONFIGURATION_FILE).read_text())
    read = RunConfiguration.read(REPORTS / name)
    assert read.sources == tuple(written["sources"])
    assert read.recipe.phases == tuple(Phase(**phase) for phase in written["recipe"]["phases"])
    assert read.recipe.augmentation.area == tuple(written["recipe"]["augmentation"]["area"])
    assert read.recipe.start == tuple(written["recipe"].get("start", ()))
    assert read.start_sha256 == tuple(written.get("start_sha256", ()))
    assert read.training_patients == written["training_patients"]
    assert read.versions == written["versions"]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    configuration = RunConfiguration.read(REPORTS / "run")
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


@pytest.mark.parametrize("text", ["160:3:8", "160:3:8:0.0005:no", "16:3:8:0.1", "160:3:0:0.1"])
def test_a_phase_out_of_form_or_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Phase.parse(text)
    assert Phase.parse("160:3:8:0.0005:norms") == Recipe().phases[0]
