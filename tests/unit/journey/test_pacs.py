"""How studies are gone through when some of them cannot be dealt with."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from ml.contract.errors import NotFound, Unavailable
from ml.journey.pacs import go_through
from ml.pacs.archive import NotGiven
from tests.unit.pacs.test_orthanc_feed import ScriptedOrthanc, feed_of

AWAY = Unavailable("The server answered 500.")


@pytest.fixture
def go(tmp_path) -> Callable[..., tuple[int, list[str]]]:
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
            return go_through(feed_of(tmp_path, archive), look_at), looked_at
        except Unavailable:
            return -1, looked_at

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
    raised = {"a": AWAY, "b": ValueError(), "c": NotGiven("One object."), "d": AWAY}
    assert go(**raised) == (4, ["a", "b", "c", "d"])


def test_a_study_that_was_deleted_meanwhile_is_no_failure(go, caplog):
    assert go(a=NotFound("It is gone.")) == (0, ["a", "b", "c", "d"])
    assert caplog.text == ""
    assert go() == (0, [])
