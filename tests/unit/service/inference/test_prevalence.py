"""What an answer means at another prevalence."""

import pytest

from service.errors import InvalidRequest
from service.inference.contract import Contract
from service.inference.operating_point import OperatingPoint, Rate, UncertainBand
from service.inference.prevalence import adjust, check_prevalence
from service.settings import DEFAULT_MODEL
from tests.tiny_model import write_tiny_model


def rate(value: float) -> Rate:
    return Rate(value=value, low=value, high=value)


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    file = tmp_path_factory.mktemp("model") / "tiny.onnx"
    return write_tiny_model(file, calibration_prevalence=2 / 3)


def test_at_the_calibration_prevalence_nothing_changes(contract: Contract) -> None:
    point = contract.operating_point("balanced")
    for probability in (0.0, 0.2, 1.0):
        assert adjust(contract, point, probability, 2 / 3).probability == pytest.approx(probability)


def test_probability_and_predictive_values_follow_bayes(contract: Contract) -> None:
    """Of 1000 patients 100 are ill: 90 found, 180 of the 900 others called ill."""
    point = contract.operating_point("balanced")  # sensitivity 0.9, specificity 0.8
    found = adjust(contract, point, 0.987, 0.1)
    assert found.probability == pytest.approx(0.808, abs=0.001)
    assert found.positive_predictive_value == pytest.approx(90 / 270)
    assert found.negative_predictive_value == pytest.approx(720 / 730)


def test_answers_within_the_band_count_for_neither(contract: Contract) -> None:
    """Of 100 ill 20 are uncertain and 76 found, of 900 others 90 uncertain and 8.1 called ill."""
    band = UncertainBand(
        pneumonia=rate(0.2), normal=rate(0.1), sensitivity=rate(0.95), specificity=rate(0.99)
    )
    point = contract.operating_point("careful").model_copy(update={"uncertain": band})
    found = adjust(contract, point, 0.5, 0.1)
    assert found.positive_predictive_value == pytest.approx(76 / 84.1)
    assert found.negative_predictive_value == pytest.approx(801.9 / 805.9)


def test_no_answers_of_a_kind_have_no_predictive_value(contract: Contract) -> None:
    point = contract.operating_point("balanced").model_copy(
        update={"sensitivity": rate(0.0), "specificity": rate(1.0)}
    )
    assert adjust(contract, point, 0.5, 0.1).positive_predictive_value is None


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_what_is_no_share_is_refused(contract: Contract, prevalence: float) -> None:
    with pytest.raises(InvalidRequest, match="above 0 and below 1"):
        check_prevalence(contract, prevalence)


def test_a_model_file_written_before_has_neither_prevalence_nor_measured_band() -> None:
    """The file of 1.0.0 keeps loading, and says what its contract cannot tell."""
    from service.inference.model import OnnxModel

    shipped = OnnxModel(DEFAULT_MODEL).contract
    assert [(point.name, point.purpose) for point in shipped.operating_points] == [
        ("balanced", "decision"),
        ("screening", "screening"),
    ]
    if shipped.version == "1.0.0":
        with pytest.raises(InvalidRequest, match="does not say for which prevalence"):
            check_prevalence(shipped, 0.1)


def test_a_measured_band_without_limits_is_refused() -> None:
    band = UncertainBand(
        pneumonia=rate(0.2), normal=rate(0.1), sensitivity=rate(0.95), specificity=rate(0.99)
    )
    with pytest.raises(ValueError, match="needs its limits"):
        OperatingPoint(
            name="balanced",
            threshold=0.5,
            sensitivity=rate(0.9),
            specificity=rate(0.9),
            uncertain=band,
            rule="",
            data="",
        )
