"""The codes in reports: public ones where they exist, the rest under a scheme of our own.

The private scheme is documented in docs/pacs.md.
"""

import re

from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

from service.pacs.finding import PNEUMONIA as PNEUMONIA_NAME

SCHEME = "99PNEUMONIA"

PLAIN_CHEST_X_RAY = CodedConcept("399208008", "SCT", "Plain chest X-ray")
PNEUMONIA = CodedConcept("233604007", "SCT", "Pneumonia")
LUNG: CodedConcept = codes.SCT.Lung
THORAX: CodedConcept = codes.SCT.Thorax
NO_UNITS = codes.UCUM.NoUnits
COMMENT = codes.DCM.Comment

# the decision, as the presence of what the model looks for
PRESENCE = {
    "pneumonia": codes.SCT.Present,
    "normal": codes.SCT.Absent,
    "uncertain": codes.SCT.Indeterminate,
}
SUBTYPES = {
    "bacterial": CodedConcept("53084003", "SCT", "Bacterial pneumonia"),
    "viral": CodedConcept("75570004", "SCT", "Viral pneumonia"),
}


def private(value: str, meaning: str) -> CodedConcept:
    """A code of the private scheme."""
    return CodedConcept(value, SCHEME, meaning)


PROBABILITY = private("PROBABILITY", "Calibrated probability of the finding")
THRESHOLD = private("THRESHOLD", "Threshold of the operating point")
SUBTYPE = private("SUBTYPE", "Likelier kind of the finding")
INPUT_CHECK = private("INPUT_CHECK", "Input check")
ACCEPTED = private("ACCEPTED", "Accepted")
NOT_ACCEPTED = private("NOT_ACCEPTED", "Not accepted")
DISTANCE = private("DISTANCE", "Distance from known chest X-rays")
LIMIT = private("LIMIT", "Limit of the distance")
ASSESSMENT = private("ASSESSMENT", "Assessment")
NOT_ASSESSED = private("NOT_ASSESSED", "Not assessed")


def finding(name: str) -> CodedConcept:
    """The code of what a model looks for; but for pneumonia a private one, made of its words."""
    return PNEUMONIA if name == PNEUMONIA_NAME else _named("FINDING", name)


def site(name: str) -> CodedConcept:
    """Where that is to be found, as far as is known."""
    return LUNG if name == PNEUMONIA_NAME else THORAX


def subtype(name: str, label: str) -> CodedConcept:
    """The code of a label of what a model looks for."""
    public = SUBTYPES.get(label) if name == PNEUMONIA_NAME else None
    return public or _named("KIND", label)


def _named(kind: str, words: str) -> CodedConcept:
    value = re.sub(r"\W+", "_", words.upper())
    return private(f"{kind}_{value}", words[:64])
