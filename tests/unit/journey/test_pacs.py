"""How studies are gone through when some of them cannot be dealt with."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from ml.contract.errors import NotFound, Unavailable
from ml.journey.pacs import go_through
from ml.pacs.archive import NotGiven
from ml.pacs.server import NotAnswered
from tests.unit.pacs.test_orthanc_feed import ScriptedOrthanc, feed_of

AWAY = Unavailable("The server answered 500.")


@pytest.fixture
def given_up() -> list[int]:
    """How many studies each round gave up."""
    return []


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Pauses are over, and an attempt after a failure of the study's own is the last."""
    monkeypatch.setattr("ml.pacs.place._PAUSE", timedelta(0))
    monkeypatch.setattr("ml.pacs.place._PATIENCE", timedelta(0))


@pytest.fixture
def go(tmp_path, given_up) -> Callable[..., tuple[int, list[str]]]:
    """A round with a real feed over studies a, b, c and d, of which some raise."""
    archive = ScriptedOrthanc()
    for study in "abcd":
        archive.arrive(study, stable=True)

    def once(**raised: Exception) -> tuple[int, list[str]]:
        looked_at = []

        def look_at(study: str, do_without: bool) -> None:
            looked_at.append(study)
            if study in raised:
                raise raised[study]

        try:
            seen = go_through(feed_of(tmp_path, archive), look_at)
        except Unavailable:
            return -1, looked_at
        given_up.append(seen.given_up)
        return seen.failed, looked_at

    return once


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Erika Muster has no sex"),
        KeyError("Erika Muster"),
        NotGiven("The archive broke off an object."),
        AWAY,
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_study_that_fails_is_counted_told_and_holds_up_no_other(go, caplog, monkeypatch, error):
    assert go(a=error) == (1, ["a", "b", "c", "d"])
    (told,) = [item.getMessage() for item in caplog.records if item.levelno == logging.WARNING]
    assert told.startswith("A study is tried again later: ")
    assert "Muster" not in caplog.text
    assert type(error).__name__ in told or str(error) in told
    assert go() == (0, [])  # it rests
    monkeypatch.setattr("ml.pacs.place._PAUSE", timedelta(0))
    assert go() == (0, ["a"])


def test_two_in_a_row_that_get_no_answer_end_the_round_and_the_next_goes_on_behind_them(go):
    assert go(b=AWAY, c=AWAY) == (-1, ["a", "b", "c"])
    assert go() == (0, ["d"])


def test_one_that_is_answered_between_two_says_that_neither_server_nor_archive_is_away(go):
    assert go(a=AWAY, c=AWAY) == (2, ["a", "b", "c", "d"])
    assert go(b=AWAY) == (0, [])


def test_failures_of_other_kinds_say_nothing_of_server_or_archive(go):
    raised = {"a": AWAY, "b": ValueError(), "c": AWAY, "d": NotGiven("One object.")}
    assert go(**raised) == (4, ["a", "b", "c", "d"])


def test_a_study_that_was_deleted_meanwhile_is_no_failure(go, caplog):
    assert go(a=NotFound("It is gone.")) == (0, ["a", "b", "c", "d"])
    assert caplog.text == ""
    assert go() == (0, [])


@pytest.mark.usefixtures("impatient")
def test_a_study_that_still_meets_a_defect_at_its_last_try_is_given_up(go, given_up, caplog):
    defect = ValueError("Erika Muster has no sex")
    assert go(a=defect) == (1, ["a", "b", "c", "d"])
    assert go(a=defect) == (0, ["a"])
    assert given_up == [0, 1]
    (told,) = [item.getMessage() for item in caplog.records if item.levelno == logging.ERROR]
    assert told == "A study is given up: ValueError."
    assert "Muster" not in caplog.text
    assert go() == (0, [])


@pytest.mark.parametrize("error", [NotGiven("One object."), NotAnswered("500."), OSError("Full.")])
@pytest.mark.usefixtures("impatient")
def test_a_study_that_waits_for_something_to_be_repaired_is_never_given_up(go, given_up, error):
    go(a=ValueError())
    for _ in range(3):
        assert go(a=error) == (1, ["a"])
    assert go() == (0, ["a"])
    assert set(given_up) == {0}


@pytest.mark.parametrize("error", [AWAY, OSError("Full.")])
@pytest.mark.usefixtures("impatient")
def test_an_outage_uses_up_no_study_s_patience(go, given_up, error):
    assert go(a=error) == (1, ["a", "b", "c", "d"])
    go(a=error)
    assert go(a=ValueError()) == (1, ["a"])  # the first failure of its own is not the last try
    assert go(a=ValueError()) == (0, ["a"])
    assert given_up[-2:] == [0, 1]


@pytest.mark.parametrize(
    ("last", "failed"),
    [(AWAY, -1), (NotGiven("One object."), 1), (NotAnswered("500."), 1), (ValueError(), 1)],
    ids=["away", "object not given", "image not answered", "defect"],
)
def test_an_outage_is_told_where_only_one_study_is_due(go, monkeypatch, last, failed):
    go(a=ValueError())
    monkeypatch.setattr("ml.pacs.place._PAUSE", timedelta(0))
    assert go(a=last) == (failed, ["a"])


def test_a_round_in_which_a_study_was_settled_is_no_failed_one_for_its_last(go):
    assert go(d=AWAY) == (1, ["a", "b", "c", "d"])


@pytest.mark.parametrize("error", [NotGiven("One object."), NotAnswered("500."), ValueError()])
@pytest.mark.usefixtures("impatient")
def test_a_failure_of_the_study_s_own_makes_the_attempt_after_its_day_the_last(go, given_up, error):
    go(a=error)
    assert go(a=ValueError()) == (0, ["a"])
    assert given_up == [0, 1]
