from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.data.listed import ListedMetadata
from tests.unit.data.home import BY


@pytest.fixture
def listed() -> ListedMetadata:
    return ListedMetadata(["normal", "benign"], BY)


def test_a_row_is_kept_as_pseudonyms_a_shifted_date_and_plain_values(
    listed: ListedMetadata,
) -> None:
    row = {
        "label": " benign ",
        "patient_id": "P1",
        "study_id": "1.2.3",
        "date": "20240531",
        "site": "north",
        "scanner": "Sonora A1",
        "age": "93",
        "sex": "female",
        "remark": "Mrs Doe",
    }
    assert listed.keep(row) == {
        "label": "benign",
        "patient": BY.patient("P1"),
        "study": BY.uid("1.2.3"),
        "acquired_on": BY.date(date(2024, 5, 31), BY.patient("P1")),
        "site": "north",
        "scanner": "Sonora A1",
        "age": 90,
        "sex": "F",
    }
    assert not listed.left_out


def test_what_is_empty_or_missing_is_unknown_and_not_counted(listed: ListedMetadata) -> None:
    assert set(listed.keep({"label": "", "age": None}).values()) == {None}
    assert set(listed.keep({}).values()) == {None}
    assert not listed.left_out


def test_a_date_without_a_patient_is_left_out(listed: ListedMetadata) -> None:
    assert listed.keep({"date": "2024-05-31"})["acquired_on"] is None


def test_a_site_that_names_the_patient_is_left_out(listed: ListedMetadata) -> None:
    kept = listed.keep({"patient_id": "DOE17", "site": "ward of doe17", "scanner": "4711234"})
    assert (kept["site"], kept["scanner"]) == (None, None)
    assert listed.left_out == {"site": 1, "scanner": 1}


def test_labels_outside_the_vocabulary_can_be_told_apart_but_not_read(
    listed: ListedMetadata,
) -> None:
    labels = [listed.keep({"label": name})["label"] for name in ("Doe", "Roe", "Doe")]
    assert labels[0] == labels[2] != labels[1]
    assert all(str(label).startswith("unlisted-") for label in labels)


COLUMNS = ("label", "patient_id", "study_id", "date", "age", "sex")


@given(st.fixed_dictionaries({column: st.text() for column in COLUMNS}))
def test_identifiers_never_come_through(row: dict[str, str]) -> None:
    secret = {column: f"{value}Zyxwvut" for column, value in row.items()}
    kept = ListedMetadata(["normal"], BY).keep(secret)
    assert "Zyxwvut" not in str(kept)
