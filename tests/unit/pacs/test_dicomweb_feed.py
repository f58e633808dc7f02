from datetime import timedelta

import httpx
import pytest

from ml.pacs.dicomweb_feed import DicomWebFeed
from ml.pacs.place import Trouble
from tests.unit.pacs.archives import dicomweb
from tests.unit.pacs.test_dicomweb import study

AT_ONCE = timedelta(0)


@pytest.fixture
def counts():
    """Study → instances, as the archive has them now."""
    return {}


def feed(tmp_path, counts, *, quiet=AT_ONCE):
    def answer(request):
        first = request.url.params["offset"] == "0"
        found = [study(uid, count) for uid, count in counts.items()] if first else []
        return httpx.Response(200, json=found)

    return DicomWebFeed(
        dicomweb(answer), tmp_path / "place.json", name=lambda uid: uid[::-1], days=7, quiet=quiet
    )


def look(feed, *, at_most=10):
    given = list(feed.complete(at_most))
    for name in given:
        feed.settle(name)
    return given


def test_a_study_is_given_once_it_has_not_grown_between_two_looks(tmp_path, counts):
    counts["1.20"] = 3
    assert look(feed(tmp_path, counts)) == []
    counts["1.20"] = 4
    assert look(feed(tmp_path, counts)) == []
    assert look(feed(tmp_path, counts)) == ["1.20"]
    assert look(feed(tmp_path, counts)) == []
    counts["1.20"] = 5
    assert look(feed(tmp_path, counts)) == []
    assert look(feed(tmp_path, counts)) == ["1.20"]


def test_it_has_to_rest_for_a_while(tmp_path, counts):
    counts["1.20"] = 3
    for _ in range(3):
        assert look(feed(tmp_path, counts, quiet=timedelta(minutes=1))) == []


def test_a_first_look_proceeds_in_rounds(tmp_path, counts):
    counts |= {f"1.{number}": 1 for number in range(10, 35)}
    look(feed(tmp_path, counts))
    rounds = [look(feed(tmp_path, counts), at_most=10) for _ in range(4)]
    assert [len(given) for given in rounds] == [10, 10, 5, 0]
    assert {uid for given in rounds for uid in given} == set(counts)


def test_what_was_not_settled_is_given_again(tmp_path, counts):
    counts["1.20"] = 3
    look(feed(tmp_path, counts))
    assert list(feed(tmp_path, counts).complete(10)) == ["1.20"]
    assert look(feed(tmp_path, counts)) == ["1.20"]


def test_what_is_kept_holds_no_identifier_and_forgets_what_left_the_window(tmp_path, counts):
    counts["1.20"] = 3
    look(feed(tmp_path, counts))
    kept = (tmp_path / "place.json").read_text()
    assert "02.1" in kept
    assert "1.20" not in kept
    counts.clear()
    look(feed(tmp_path, counts))
    assert "02.1" not in (tmp_path / "place.json").read_text()


def test_a_study_in_trouble_rests_and_then_gets_a_last_try(tmp_path, counts, monkeypatch):
    counts["1.20"] = 3
    look(feed(tmp_path, counts))
    first = feed(tmp_path, counts)
    (given,) = first.complete(10)
    assert not first.is_last_try(given)
    first.fail(given, ages=True)
    assert look(feed(tmp_path, counts)) == []
    monkeypatch.setattr("ml.pacs.place._PAUSE", AT_ONCE)
    monkeypatch.setattr("ml.pacs.place._PATIENCE", AT_ONCE)
    last = feed(tmp_path, counts)
    (given,) = last.complete(10)
    assert last.is_last_try(given)
    last.settle(given)
    assert look(feed(tmp_path, counts)) == []


def test_only_its_own_failures_bring_a_study_s_last_try_nearer(tmp_path, counts, monkeypatch):
    monkeypatch.setattr("ml.pacs.place._PATIENCE", AT_ONCE)
    counts["1.20"] = 3
    look(feed(tmp_path, counts))
    first = feed(tmp_path, counts)
    (given,) = first.complete(10)
    first.fail(given, ages=False)
    assert not first.is_last_try(given)
    assert look(feed(tmp_path, counts)) == []  # it rests all the same
    first.fail(given, ages=True)
    assert feed(tmp_path, counts).is_last_try(given)


@pytest.mark.parametrize("ages", [True, False])
def test_trouble_is_counted_from_its_beginning(ages):
    first = Trouble.again(Trouble.again(None, ages=False), ages=True)
    assert first.first == first.last
    again = Trouble.again(first, ages=ages)
    assert again.first == first.first
    assert again.last >= first.last
    assert again.rests
    assert not again.is_old
