"""What an answer means where pneumonia is as frequent as a caller says."""

from dataclasses import dataclass

from service.errors import InvalidRequest
from service.inference.contract import Contract
from service.inference.operating_point import OperatingPoint


@dataclass(frozen=True)
class Adjusted:
    """An answer at another prevalence.

    Attributes:
        prevalence: the share of patients with pneumonia, between 0 and 1.
        probability: of pneumonia, 0..1.
        positive_predictive_value: of 1, the share of answers ``pneumonia`` that are right, as
            often as that was measured for the operating point; None where no figure holds.
        negative_predictive_value: the same for ``normal``.
    """

    prevalence: float
    probability: float
    positive_predictive_value: float | None
    negative_predictive_value: float | None


def check_prevalence(contract: Contract, prevalence: float | None) -> None:
    """Refuse a prevalence before any work is done for it.

    Raises:
        InvalidRequest: it is no share of patients, or the model does not say for which prevalence
            its probabilities are calibrated.
    """
    if prevalence is None:
        return
    if not 0 < prevalence < 1:
        raise InvalidRequest("The prevalence is a share of patients: above 0 and below 1.")
    if contract.calibration_prevalence is None:
        raise InvalidRequest(
            "This model does not say for which prevalence its probabilities are calibrated, so "
            "they cannot be adjusted. Ask without a prevalence, or export the model again."
        )


def adjust(
    contract: Contract,
    point: OperatingPoint,
    probability: float,
    prevalence: float,
    figures_hold: bool = True,
) -> Adjusted:
    """Move a calibrated probability to another prevalence, by Bayes' rule.

    It takes for granted that those with pneumonia look the same at both places, and those without
    (Saerens et al. 2002, doi 10.1162/089976602753284446, equation 2.4).

    Args:
        contract: says for which prevalence the probability is calibrated.
        point: whose answers the predictive values are about; images that it answers ``uncertain``
            are left out where their share is known.
        probability: of pneumonia, 0..1.
        prevalence: the one that is asked for, between 0 and 1.
        figures_hold: whether the measured figures hold for this patient.

    Raises:
        InvalidRequest: as :func:`check_prevalence`.
    """
    check_prevalence(contract, prevalence)
    before = contract.calibration_prevalence
    assert before is not None
    present = probability * prevalence / before
    absent = (1 - probability) * (1 - prevalence) / (1 - before)
    positive = negative = None
    if figures_hold:
        positive, negative = predictive_values(point, prevalence)
    return Adjusted(prevalence, present / (present + absent), positive, negative)


def predictive_values(
    point: OperatingPoint, prevalence: float
) -> tuple[float | None, float | None]:
    """The shares of the answers ``pneumonia`` and ``normal`` that are right at a prevalence.

    Returns:
        None for an answer that is never given.
    """
    band = point.uncertain
    if band is None:
        sensitivity, specificity = point.sensitivity.value, point.specificity.value
        present, absent = prevalence, 1 - prevalence
    else:
        sensitivity, specificity = band.sensitivity.value, band.specificity.value
        present = prevalence * (1 - band.pneumonia.value)
        absent = (1 - prevalence) * (1 - band.normal.value)
    return (
        _share(present * sensitivity, absent * (1 - specificity)),
        _share(absent * specificity, present * (1 - sensitivity)),
    )


def _share(right: float, wrong: float) -> float | None:
    return right / (right + wrong) if right + wrong else None
