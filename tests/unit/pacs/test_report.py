import io

from highdicom.sr import srread

from ml.pacs.report import build_report, report_uid
from tests.unit.pacs.findings import finding, header


def build(source):
    found = finding(source)
    return build_report(
        {source.SOPInstanceUID: source}, [found], uid=report_uid([source.SOPInstanceUID])
    )


def test_the_report_is_read_again_with_label_advice_reasons_and_probabilities():
    content = io.BytesIO()
    build(header()).save_as(content)
    content.seek(0)
    (group,) = srread(content).content.get_image_measurement_groups()
    assert group.finding_type.meaning == "benign"
    assert [item.value.meaning for item in group.get_qualitative_evaluations()] == [
        "refer",
        "low confidence",
        "close to the malignant threshold",
    ]
    assert {item.name.meaning: item.value for item in group.get_measurements()} == {
        "Probability of normal": 0.2,
        "Probability of benign": 0.5,
        "Probability of malignant": 0.3,
    }


def test_the_report_belongs_to_the_study_and_to_nobody_s_signature():
    source = header()
    report = build(source)
    assert report.StudyInstanceUID == source.StudyInstanceUID
    assert report.PatientID == source.PatientID
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert "NOT FOR DIAGNOSIS" in report.SeriesDescription


def test_the_same_images_give_the_same_report_in_any_order_and_others_another():
    assert report_uid(["1.2", "1.3"]) == report_uid(["1.3", "1.2"])
    assert report_uid(["1.2"]) != report_uid(["1.2", "1.3"])
