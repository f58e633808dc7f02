"""Findings → a DICOM structured report after TID 1500 (PS3.16, Measurement Report)."""

from collections import Counter
from collections.abc import Mapping, Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
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
from pydicom import Dataset
from pydicom.sr.codedict import codes

from ml.pacs.names import (
    MANUFACTURER,
    SERIES_DESCRIPTION,
    WARNING,
    algorithm,
    place_of,
    private_code,
    repeatable_uid,
    software,
)
from ml.pacs.picture import PURPOSE
from ml.pacs.results import ImageFinding

_SERIES_NUMBER = 9001
_PROCEDURE = CodedConcept(*private_code("Classification of images"))
_ADVICE = CodedConcept(*private_code("Advice"))
_REASON = CodedConcept(*private_code("Reason to refer"))
_STANDARD = {
    "normal": codes.SCT.Normal,
    "benign": codes.SCT.Benign,
    "malignant": codes.SCT.Malignant,
}
"""Labels that SNOMED CT has a code for; others are this installation's own."""


def report_uid(images: Sequence[str]) -> str:
    """The UID of the report on a study of these images, by their SOP instance UIDs."""
    return repeatable_uid("report", sorted(images))


def build_report(
    headers: Mapping[str, Dataset],
    findings: Sequence[ImageFinding],
    *,
    uid: str,
    not_analysed: int = 0,
    previous: Sequence[Dataset] = (),
) -> Dataset:
    """The report on one study: a group for each image, with its label, advice and probabilities.

    It begins with a summary in words. It is unverified, complete where every image was analysed,
    names the algorithm with its version, and says that it is not for diagnosis in its series'
    description, its observer's name and its summary.

    Args:
        headers: by SOP instance UID, at least those of `findings`; of one study.
        findings: one or more.
        uid: the report's own: see `report_uid`.
        not_analysed: images of the study without a finding, which somebody else has to look at.
        previous: earlier reports on this study, which it replaces.
    """
    sources = [headers[finding.sop_instance_uid] for finding in findings]
    study, first = str(sources[0].StudyInstanceUID), findings[0]
    observer = DeviceObserverIdentifyingAttributes(
        uid=repeatable_uid("observer", [first.bundle]),
        name=f"{MANUFACTURER} ({WARNING})",
        manufacturer_name=MANUFACTURER,
        model_name=software(first.model, first.version),
    )
    content = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(
                observer_type=codes.DCM.Device, observer_identifying_attributes=observer
            )
        ),
        procedure_reported=_PROCEDURE,
        imaging_measurements=[
            _group(finding, source) for finding, source in zip(findings, sources, strict=True)
        ],
    )
    root = content[0]
    summary = _summary(findings, not_analysed=not_analysed, earlier=len(previous))
    root.ContentSequence.insert(_before_measurements(root), summary)
    report = ComprehensiveSR(
        evidence=sources,
        content=root,
        series_instance_uid=repeatable_uid("report series", [study]),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=uid,
        instance_number=len(previous) + 1,
        manufacturer=MANUFACTURER,
        is_complete=not not_analysed,
        is_verified=False,
        previous_versions=list(previous) or None,
    )
    report.SeriesDescription = SERIES_DESCRIPTION
    report.ManufacturerModelName = algorithm(first.model)
    report.SoftwareVersions = first.version
    return report


def _before_measurements(root: Dataset) -> int:
    """The template may be extended (TID 1500), and its order is what a reader sees."""
    names = [item.ConceptNameCodeSequence[0].CodeValue for item in root.ContentSequence]
    return names.index(codes.DCM.ImagingMeasurements.value)


def _summary(
    findings: Sequence[ImageFinding], *, not_analysed: int, earlier: int
) -> TextContentItem:
    """What a person reads first."""
    counts = Counter(finding.label for finding in findings)
    found = ", ".join(f"{count} {label}" for label, count in counts.most_common())
    referred = sum(finding.is_referred for finding in findings)
    images = "1 image" if len(findings) == 1 else f"{len(findings)} images"
    told = [
        PURPOSE,
        f"{images} classified by {software(findings[0].model, findings[0].version)}: {found}.",
    ]
    if referred:
        told.append(f"{referred} in doubt, to be referred to a person.")
    if not_analysed == 1:
        told.append("1 image was not analysed: look at it.")
    elif not_analysed:
        told.append(f"{not_analysed} images were not analysed: look at them.")
    elif not referred:
        told.append("No doubt noted.")
    told += ["It replaces the earlier report on this study."] if earlier else []
    return TextContentItem(
        name=codes.DCM.Summary,
        value=" ".join(told),
        relationship_type=RelationshipTypeValues.CONTAINS,
    )


def _group(finding: ImageFinding, source: Dataset) -> MeasurementsAndQualitativeEvaluations:
    place = place_of(source)
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=repeatable_uid("finding", [finding.sop_instance_uid, finding.bundle]),
            identifier=place[:1].upper() + place[1:],
        ),
        algorithm_id=AlgorithmIdentification(
            name=algorithm(finding.model),
            version=finding.version,
            parameters=[f"bundle sha256 {finding.bundle}", f"request {finding.request_id}"],
            manufacturer=MANUFACTURER,
        ),
        finding_type=_STANDARD.get(finding.label) or CodedConcept(*private_code(finding.label)),
        qualitative_evaluations=[
            _evaluation(_ADVICE, finding.advice),
            *(_evaluation(_REASON, reason) for reason in finding.reasons),
        ],
        measurements=[
            Measurement(
                name=CodedConcept(*private_code(f"Probability of {label}")),
                value=round(probability, 4),
                unit=codes.UCUM.NoUnits,
            )
            for label, probability in finding.probabilities.items()
        ],
        source_images=[
            SourceImageForMeasurementGroup(
                referenced_sop_class_uid=source.SOPClassUID,
                referenced_sop_instance_uid=source.SOPInstanceUID,
            )
        ],
    )


def _evaluation(name: CodedConcept, value: str) -> QualitativeEvaluation:
    return QualitativeEvaluation(name=name, value=CodedConcept(*private_code(value)))
