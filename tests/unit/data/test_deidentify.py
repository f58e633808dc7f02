from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from ml.data.deidentify import (
    Deidentifier,
    age_at,
    parse_age,
    parse_date,
    parse_name,
    parse_sex,
    pseudonym,
)

ONE, OTHER = Deidentifier(b"one key of an installation"), Deidentifier(b"another installation's")
NAMES = st.text(min_size=1).filter(lambda text: text.strip())
DAYS = st.dates(min_value=date(1950, 1, 1), max_value=date(2100, 1, 1))


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


def test_an_age_follows_from_two_dates() -> None:
    assert age_at(date(1970, 6, 2), date(2020, 6, 1)) == 49
    assert age_at(date(1970, 6, 2), date(2020, 6, 2)) == 50
    assert age_at(date(1900, 1, 1), date(2020, 6, 2)) == 90
    assert age_at(date(2021, 1, 1), date(2020, 6, 2)) is None
    assert age_at(None, date(2020, 6, 2)) is None


@pytest.mark.parametrize(
    ("text", "sex"), [("F", "F"), ("male", "M"), ("o", "O"), ("x", None), (None, None)]
)
def test_sex_is_one_letter_or_unknown(text: str | None, sex: str | None) -> None:
    assert parse_sex(text) == sex


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-05-31", date(2024, 5, 31)),
        ("20240531", date(2024, 5, 31)),
        ("20240531123000.5+0100", date(2024, 5, 31)),
        ("1993.08.22", date(1993, 8, 22)),
        ("20240231", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_are_read_as_lists_and_headers_write_them(text: str | None, day: date | None) -> None:
    assert parse_date(text) == day


def test_a_pseudonym_depends_on_the_key_and_shows_nothing_of_the_name() -> None:
    name = pseudonym("PATIENT-7", b"one")
    assert name == pseudonym(" PATIENT-7 ", b"one")
    assert name != pseudonym("PATIENT-7", b"two")
    assert name != pseudonym("PATIENT-8", b"one")
    assert "PATIENT" not in name
    assert len(name) == 24


@given(st.lists(NAMES, unique_by=str.strip, min_size=2))
def test_different_patients_and_uids_get_different_names(names: list[str]) -> None:
    stripped = [name.strip() for name in names]
    assert len({ONE.patient(name) for name in names}) == len(stripped)
    assert len({ONE.uid(name) for name in names}) == len(stripped)
    assert len({ONE.fingerprint(name) for name in names}) == len(stripped)


@given(NAMES)
def test_replacements_are_stable_and_another_key_unlinks_them(name: str) -> None:
    again = Deidentifier(ONE.key)
    for replace, repeated, elsewhere in (
        (ONE.patient, again.patient, OTHER.patient),
        (ONE.uid, again.uid, OTHER.uid),
        (ONE.fingerprint, again.fingerprint, OTHER.fingerprint),
        (ONE.mark, again.mark, OTHER.mark),
    ):
        assert replace(name) == repeated(name) != elsewhere(name)
    # The same text as patient, UID or file gives names that have nothing in common.
    assert not ONE.fingerprint(name).startswith(ONE.patient(name))


@given(NAMES)
def test_a_keyed_uid_is_a_valid_one(name: str) -> None:
    uid = UID(ONE.uid(name))
    assert uid.is_valid
    assert uid.startswith("2.25.")
    assert int(uid.removeprefix("2.25.")) < 2**128


@given(NAMES, DAYS, DAYS)
def test_the_days_between_a_patients_dates_survive(name: str, first: date, second: date) -> None:
    patient = ONE.patient(name)
    moved = [ONE.date(day, patient) for day in (first, second)]
    assert moved[0] is not None
    assert moved[1] is not None
    assert moved[1] - moved[0] == second - first
    assert timedelta(days=1) <= first - moved[0] <= timedelta(days=1826)


def test_dates_of_different_patients_move_differently() -> None:
    day = date(2024, 5, 31)
    moved = {ONE.date(day, ONE.patient(str(number))) for number in range(200)}
    assert len(moved) > 150


def test_a_date_of_nobody_is_dropped_and_so_is_one_before_all_dates() -> None:
    assert ONE.date(date(2024, 5, 31), None) is None
    assert ONE.date(date.min, ONE.patient("A")) is None


def test_the_key_is_never_shown() -> None:
    assert "key" not in repr(ONE)
    assert "installation" not in repr(ONE)


@pytest.mark.parametrize(
    "name", ["LOGIQ E9", "Aplio 500 TUS-A500", "iU22", "Hôpital du Nord", "south", "AS+ (v2)"]
)
def test_names_of_sites_and_devices_are_kept(name: str) -> None:
    assert parse_name(f"  {name} ") == name


@pytest.mark.parametrize(
    "name",
    [
        "Doe^Jane",
        "jane@example.org",
        "4711234",
        "ward 12.03.1961",
        "1961-03-12",
        "1.2.840.113619.2.55",
        "two\\values",
        "a\x00b",
        "x" * 65,
        "   ",
        None,
    ],
)
def test_names_that_look_like_identifiers_are_dropped(name: str | None) -> None:
    assert parse_name(name) is None


def test_a_name_that_says_who_the_patient_is_is_dropped() -> None:
    assert parse_name("Room of Mrs Doe", nobody=["Doe^Jane"]) is None
    assert parse_name("JANES SCANNER", nobody=["Doe^Jane"]) is None
    assert parse_name("Sonora A1", nobody=["Doe^Jane", "A1"]) == "Sonora A1"
