import io

import pytest
from highdicom.sr import srread
from pydicom.sr.codedict import codes

from ml.pacs.report import build_report, report_uid
from tests.unit.pacs.findings import finding, header


def build(source, *, label="benign", previous=(), not_analysed=0, **changes):
    found = finding(source, label=label).model_copy(update=changes)
    uid = report_uid([source.SOPInstanceUID, *(item.SOPInstanceUID for item in previous)])
    return build_report(
        {source.SOPInstanceUID: source},
        [found],
        uid=uid,
        not_analysed=not_analysed,
        previous=previous,
    )


def read_again(report):
    content = io.BytesIO()
    report.save_as(content)
    content.seek(0)
    return srread(content)


def group_of(report):
    (group,) = read_again(report).content.get_image_measurement_groups()
    return group


def texts(report, name) -> list[str]:
    return [
        item.TextValue
        for element in report.iterall()
        for item in (element.value if element.VR == "SQ" else ())
        if "TextValue" in item and item.ConceptNameCodeSequence[0].CodeMeaning == name
    ]


def test_the_report_is_read_again_with_label_advice_reasons_and_probabilities():
    group = group_of(build(header()))
    assert group.finding_type.meaning == "Benign"
    told = group.get_qualitative_evaluations()
    assert [(item.name.meaning, item.value.meaning) for item in told] == [
        ("Advice", "Refer to a person"),
        ("Reason to refer", "low confidence"),
        ("Reason to refer", "close to the malignant threshold"),
    ]
    assert {item.name.meaning: item.value for item in group.get_measurements()} == {
        "Probability of normal": 0.2,
        "Probability of benign": 0.5,
        "Probability of malignant": 0.3,
    }


def test_a_sure_answer_says_that_no_doubt_was_noted_and_nothing_about_referral():
    group = group_of(build(header(), decision="report", reasons=[]))
    (advice,) = group.get_qualitative_evaluations()
    assert advice.value.meaning == "No doubt noted"


def test_labels_have_the_codes_of_snomed_ct_where_it_has_them():
    for label, code in (("malignant", codes.SCT.Malignant), ("normal", codes.SCT.Normal)):
        assert group_of(build(header(), label=label)).finding_type == code


def test_a_label_of_the_installation_s_own_is_a_private_code():
    found = group_of(build(header(), label="lump", probabilities={"lump": 1.0})).finding_type
    assert (found.meaning, found.scheme_designator) == ("lump", "99VIGIE")


def test_the_algorithm_its_version_its_bundle_and_the_request_are_named():
    report = build(header())
    assert texts(report, "Algorithm Name") == ["Vigie"]
    assert texts(report, "Algorithm Version") == ["7"]
    assert texts(report, "Algorithm Parameters") == [
        f"bundle sha256 {'ab' * 32}",
        "request request-1",
    ]
    assert (report.ManufacturerModelName, report.SoftwareVersions) == ("Vigie", "7")
    assert texts(build(header(), model="lung"), "Algorithm Name") == ["Vigie lung"]


def test_a_person_reads_first_what_it_is_for_and_what_was_found():
    report = build(header())
    assert texts(report, "Summary") == [
        "NOT FOR DIAGNOSIS. Research and education only. 1 image classified by Vigie 7: 1 benign. "
        "1 in doubt, to be referred to a person."
    ]
    names = [item.ConceptNameCodeSequence[0].CodeMeaning for item in report.ContentSequence]
    assert names.index("Summary") + 1 == names.index("Imaging Measurements")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (1, "1 image was not analysed: look at it."),
        (2, "2 images were not analysed: look at them."),
    ],
)
def test_images_that_were_not_analysed_are_told_in_a_partial_report(number, told):
    report = read_again(build(header(), decision="report", reasons=[], not_analysed=number))
    assert (report.CompletionFlag, report.VerificationFlag) == ("PARTIAL", "UNVERIFIED")
    (summary,) = texts(report, "Summary")
    assert summary.endswith(f"1 benign. {told}")
    assert "No doubt" not in summary


def test_images_in_doubt_and_images_that_were_not_analysed_are_both_told():
    (summary,) = texts(build(header(), not_analysed=1), "Summary")
    assert "1 in doubt, to be referred to a person. 1 image was not analysed" in summary


def test_a_group_is_called_as_a_viewer_numbers_its_image():
    source = header()
    source.SeriesNumber, source.InstanceNumber = 3, 12
    assert group_of(build(source)).tracking_identifier == "Series 3, image 12"


def test_the_report_belongs_to_the_study_and_to_nobody_s_signature():
    source = header()
    report = build(source)
    assert report.StudyInstanceUID == source.StudyInstanceUID
    assert report.PatientID == source.PatientID
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert "NOT FOR DIAGNOSIS" in report.SeriesDescription


def test_a_later_report_names_the_one_that_it_replaces():
    source = header()
    first = build(source)
    later = build(source, previous=[first])
    study = later.PredecessorDocumentsSequence[0]
    named = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert named.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert (first.InstanceNumber, later.InstanceNumber) == (1, 2)
    assert "replaces the earlier report" in texts(later, "Summary")[0]


def test_the_same_images_give_the_same_report_in_any_order_and_others_another():
    assert report_uid(["1.2", "1.3"]) == report_uid(["1.3", "1.2"])
    assert report_uid(["1.2"]) != report_uid(["1.2", "1.3"])
