"""Whether a patient is one of those whom a model's figures hold for."""

from service.imaging.radiograph import PredictionWarning, Radiograph
from service.inference.contract import Contract

OUTSIDE_POPULATION = "outside_training_population"


def population_warnings(
    radiograph: Radiograph, contract: Contract
) -> tuple[PredictionWarning, ...]:
    """What a reader should know of a patient's age; an image, which never states it, gets none."""
    age, ages = radiograph.age_years, contract.population_age_years
    if ages is None or radiograph.format != "DICOM":
        return ()
    if age is None:
        sentence = (
            "The file states no age of the patient that can be read, so it is not known whether "
            f"the model's figures hold: they do for {ages[0]} to {ages[1]} years alone."
        )
        return (PredictionWarning("age_unknown", sentence),)
    if ages[0] <= age <= ages[1]:
        return ()
    sentence = (
        f"The patient's age is outside the {ages[0]} to {ages[1]} years that the model's figures "
        "hold for. None of them holds for this patient: no sensitivity, no specificity and no "
        "calibration of the probability is known."
    )
    return (PredictionWarning(OUTSIDE_POPULATION, sentence),)
