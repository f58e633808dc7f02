"""Findings → a DICOM structured report after TID 1500 (PS3.16, Measurement Report)."""

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
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from ml.pacs.names import MANUFACTURER, SERIES_DESCRIPTION, WARNING, private_code, repeatable_uid
from ml.pacs.results import ImageFinding

_SERIES_NUMBER = 9001
_PROCEDURE = CodedConcept(*private_code("Classification of images"))
_ADVICE = CodedConcept(*private_code("Report or refer to a person"))
_REASON = CodedConcept(*private_code("Reason to refer"))


def report_uid(images: Sequence[str]) -> str:
    """The UID of the report on a study of these images, by their SOP instance UIDs."""
    return repeatable_uid("report", sorted(images))


def build_report(
    headers: Mapping[str, Dataset], findings: Sequence[ImageFinding], *, uid: str
) -> Dataset:
    """The report on one study: a group for each image, with its label, advice and probabilities.

    It is complete, unverified, names the algorithm with its version, and says that it is not for
    diagnosis in its series' description and its observer's name.

    Args:
        headers: by SOP instance UID, at least those of `findings`; of one study.
        findings: one or more.
        uid: the report's own: see `report_uid`.
    """
    sources = [headers[finding.sop_instance_uid] for finding in findings]
    study = str(sources[0].StudyInstanceUID)
    observer = DeviceObserverIdentifyingAttributes(
        uid=repeatable_uid("observer", [findings[0].bundle]),
        name=f"{MANUFACTURER} ({WARNING})",
        manufacturer_name=MANUFACTURER,
        model_name=f"{findings[0].model} {findings[0].version}",
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
    report = ComprehensiveSR(
        evidence=sources,
        content=content[0],
        series_instance_uid=repeatable_uid("report series", [study]),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_verified=False,
    )
    report.SeriesDescription = SERIES_DESCRIPTION
    return report


def _group(finding: ImageFinding, source: Dataset) -> MeasurementsAndQualitativeEvaluations:
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=repeatable_uid("finding", [finding.sop_instance_uid, finding.bundle]),
            identifier=finding.request_id,
        ),
        algorithm_id=AlgorithmIdentification(
            name=f"{MANUFACTURER} {finding.model}",
            version=finding.version,
            parameters=[f"bundle sha256 {finding.bundle}"],
            manufacturer=MANUFACTURER,
        ),
        finding_type=CodedConcept(*private_code(finding.label)),
        qualitative_evaluations=[
            _evaluation(_ADVICE, finding.decision),
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
