import numpy as np
import pytest

from ml.data.deidentify import parse_age, parse_sex, pseudonym, read_person
from ml.data.phantoms.files import StudyHeader, encode


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("47", 47),
        ("047Y", 47),
        ("018M", 1),
        ("090D", 0),
        ("097Y", 90),
        ("", None),
        (None, None),
        ("forty", None),
        ("-3", None),
    ],
)
def test_ages_are_years_and_the_oldest_are_one_group(text: str | None, years: int | None) -> None:
    assert parse_age(text) == years


@pytest.mark.parametrize(
    ("text", "sex"), [("F", "F"), ("male", "M"), ("o", "O"), ("x", None), (None, None)]
)
def test_sex_is_one_letter_or_unknown(text: str | None, sex: str | None) -> None:
    assert parse_sex(text) == sex


def test_a_pseudonym_depends_on_the_key_and_shows_nothing_of_the_name() -> None:
    name = pseudonym("PATIENT-7", b"one")
    assert name == pseudonym(" PATIENT-7 ", b"one")
    assert name != pseudonym("PATIENT-7", b"two")
    assert name != pseudonym("PATIENT-8", b"one")
    assert "PATIENT" not in name
    assert len(name) == 24


def test_a_dicom_header_gives_patient_age_sex_and_scanner() -> None:
    header = StudyHeader(patient_id="P9", age=61, sex="F", scanner="Lumen X")
    person = read_person(encode(np.zeros((8, 9), np.uint8), "application/dicom", header))
    assert (person.patient_id, person.age, person.sex, person.scanner) == ("P9", 61, "F", "Lumen X")
