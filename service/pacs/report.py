"""The structured report of an answer: a Measurement Report (PS3.16 TID 1500)."""

from highdicom.sr import (
    AlgorithmIdentification,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from highdicom.sr.value_types import ContentItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from service.pacs import codes as ours
from service.pacs.finding import MANUFACTURER, Finding, uid_of

NOT_A_DEVICE = "Made by software, not verified by anybody. Not a medical device."


def make_report(finding: Finding) -> Dataset:
    """The report: complete, preliminary, unverified.

    It holds who answered (device and algorithm with version, SHA-256, operating point), about which
    image, the decision as the presence of what the model looks for, the probability, the likelier
    kind where there is one, the input check, and all warnings.
    """
    # what the library of images must say of a radiograph, and not all devices do
    described = {"Modality", "PatientOrientation", "ImagerPixelSpacing"}
    library = all(keyword in finding.source for keyword in described)
    content = MeasurementReport(
        observation_context=_observer(finding),
        procedure_reported=ours.PLAIN_CHEST_X_RAY,
        imaging_measurements=[_group(finding)],
        referenced_images=[finding.source] if library else None,
    )
    report = ComprehensiveSR(
        evidence=[finding.source],
        content=content[0],
        series_number=9001,
        series_description=f"AI {finding.looked_for}: report"[:64],
        is_complete=True,
        **finding.common("report"),
    )
    scheme = Dataset()
    scheme.CodingSchemeDesignator = ours.SCHEME
    scheme.CodingSchemeName = "Codes of pneumonia-detection, see docs/pacs.md"
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    report.CodingSchemeIdentificationSequence = [scheme]
    finding.fix_times(report)
    return report


def _observer(finding: Finding) -> ObservationContext:
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device,
            observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
                uid=uid_of(finding.row.model_sha256 or "", "device"),
                name="pneumonia pacs",
                manufacturer_name=MANUFACTURER,
                model_name=finding.model_name,
                serial_number=finding.row.model_sha256,
            ),
        )
    )


def _group(finding: Finding) -> MeasurementsAndQualitativeEvaluations:
    row = finding.row
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=finding.uid("tracking"), identifier=f"{finding.looked_for} {row.operating_point}"
        ),
        # no reader may stumble over the word in a report of its absence
        finding_type=ours.finding(finding.looked_for) if _is_present(finding) else None,
        algorithm_id=AlgorithmIdentification(
            name=finding.model_name,
            version=finding.model_version,
            manufacturer=MANUFACTURER,
            parameters=[
                f"sha256={row.model_sha256}",
                f"operating_point={row.operating_point}",
            ],
        ),
        finding_sites=[FindingSite(ours.site(finding.looked_for))],
        measurements=_measurements(finding),
        qualitative_evaluations=_evaluations(finding),
        source_images=[SourceImageForMeasurementGroup(row.sop_class_uid, row.sop_instance_uid)],
    )
    group[0].ContentSequence.extend(_comments(finding))
    return group


def _is_present(finding: Finding) -> bool:
    return finding.content.get("decision") == "pneumonia" and not finding.only_screened


def _measurements(finding: Finding) -> list[Measurement]:
    content = finding.content
    check = content.get("input_check", content)  # a refusal has them beside its code
    found = [
        (ours.DISTANCE, check.get("distance")),
        (ours.LIMIT, check.get("limit")),
    ]
    if not finding.refused:
        found = [
            (ours.PROBABILITY, content["probability"]),
            (ours.THRESHOLD, content["operating_point"]["threshold"]),
            *found,
        ]
    return [
        Measurement(name, float(value), ours.NO_UNITS) for name, value in found if value is not None
    ]


def _evaluations(finding: Finding) -> list[QualitativeEvaluation]:
    content = finding.content
    if finding.refused:
        return [QualitativeEvaluation(ours.ASSESSMENT, ours.NOT_ASSESSED)]
    presence = ours.PRESENCE["uncertain" if finding.only_screened else content["decision"]]
    pairs = [(ours.finding(finding.looked_for), presence)]
    if content["subtype"]:
        pairs.append((ours.SUBTYPE, ours.subtype(finding.looked_for, content["subtype"])))
    accepted = content["input_check"]["accepted"]
    if accepted is not None:
        pairs.append((ours.INPUT_CHECK, ours.ACCEPTED if accepted else ours.NOT_ACCEPTED))
    return [QualitativeEvaluation(name, value) for name, value in pairs]


def _comments(finding: Finding) -> list[ContentItem]:
    content = finding.content
    texts = [NOT_A_DEVICE]
    if finding.only_screened:
        texts.append(f"{finding.decision.capitalize()}.")
    if finding.refused:
        texts.append(f"{content['code']}: {content['detail']}")
    texts += [f"{warning['code']}: {warning['detail']}" for warning in content.get("warnings", [])]
    return [
        TextContentItem(ours.COMMENT, text, relationship_type=RelationshipTypeValues.CONTAINS)
        for text in texts
    ]
