import json
from datetime import timedelta

import httpx

from ml.pacs.orthanc_feed import OrthancFeed
from tests.unit.pacs.archives import orthanc


class ScriptedOrthanc:
    """A log of changes and which studies are stable, as Orthanc tells of them."""

    def __init__(self):
        self.log: list[tuple[int, str, str]] = []
        self.stable: dict[str, bool] = {}

    def happen(self, kind: str, resource: str) -> None:
        self.log.append((self.log[-1][0] + 1 if self.log else 1, kind, resource))

    def arrive(self, study: str, *, stable: bool) -> None:
        for kind in ("NewInstance", "NewSeries", "NewStudy", "NewPatient"):
            self.happen(kind, study)
        self.stable[study] = stable

    def rest(self, study: str) -> None:
        self.stable[study] = True
        self.happen("StableStudy", study)

    def delete(self, study: str) -> None:
        """With its changes, as Orthanc does; numbers are not given twice."""
        self.happen("DeletedStudy", "any")
        self.log = [item for item in self.log if item[2] != study]
        del self.stable[study]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        _, kind, *name = request.url.path.split("/")
        if kind == "changes":
            since, limit = (int(request.url.params[key]) for key in ("since", "limit"))
            later = [item for item in self.log if item[0] > since]
            page = later[:limit]
            return httpx.Response(
                200,
                json={
                    "Changes": [{"Seq": n, "ChangeType": k, "ID": r} for n, k, r in page],
                    "Last": page[-1][0] if page else (self.log[-1][0] if self.log else 0),
                    "Done": len(later) <= limit,
                },
            )
        if name[0] not in self.stable:
            return httpx.Response(404)
        told = {"ParentStudy": name[0]} if kind == "series" else {"IsStable": self.stable[name[0]]}
        return httpx.Response(200, json=told)


def feed_of(tmp_path, archive):
    return OrthancFeed(orthanc(archive), tmp_path / "place.json", name=str.upper)


def look(tmp_path, archive, *, at_most=10):
    feed = feed_of(tmp_path, archive)
    given = []
    for study in feed.complete(at_most):
        given.append(study)
        feed.settle(study)
    return given


def test_a_study_is_given_once_when_it_is_stable(tmp_path):
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=False)
    assert look(tmp_path, archive) == []
    archive.rest("a")
    assert look(tmp_path, archive) == ["a"]
    assert look(tmp_path, archive) == []


def test_a_study_whose_rest_was_forgotten_in_a_restart_is_given_all_the_same(tmp_path):
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=False)
    look(tmp_path, archive)
    archive.stable["a"] = True  # and no change says so
    assert look(tmp_path, archive) == ["a"]


def test_more_images_give_a_study_again(tmp_path):
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=True)
    look(tmp_path, archive)
    archive.happen("NewInstance", "image")
    archive.rest("a")
    assert look(tmp_path, archive) == ["a"]


def test_a_long_log_proceeds_in_rounds_and_loses_nothing(tmp_path):
    archive = ScriptedOrthanc()
    for number in range(100):
        archive.arrive(str(number), stable=True)
        archive.rest(str(number))
    rounds = [look(tmp_path, archive, at_most=20) for _ in range(10)]
    assert max(len(given) for given in rounds) == 20
    assert {study for given in rounds for study in given} == {str(n) for n in range(100)}
    assert rounds[-1] == []


def test_what_comes_while_a_study_is_looked_at_gives_it_again(tmp_path):
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=True)
    feed = feed_of(tmp_path, archive)
    given = []
    for study in feed.complete(10):
        given.append(study)
        feed.settle(study)
        if len(given) == 1:
            archive.rest("a")  # another image came, and rested
    assert given + look(tmp_path, archive) == ["a", "a"]


def test_a_deleted_study_waits_for_nothing(tmp_path):
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=False)
    look(tmp_path, archive)
    archive.log = [item for item in archive.log if item[2] != "a"]
    del archive.stable["a"]
    archive.log.append((50, "NewPatient", "b"))
    assert look(tmp_path, archive) == []
    assert '"waiting": {}' in (tmp_path / "place.json").read_text()


def test_a_study_that_was_not_stable_and_is_deleted_and_sent_again_is_given(tmp_path):
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=False)
    look(tmp_path, archive)
    archive.delete("a")
    archive.arrive("a", stable=True)
    assert look(tmp_path, archive) == ["a"]
    assert '"waiting": {}' in (tmp_path / "place.json").read_text()


def test_a_study_that_rests_and_is_deleted_and_sent_again_is_given(tmp_path, monkeypatch):
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=True)
    feed = feed_of(tmp_path, archive)
    for study in feed.complete(10):
        feed.fail(study, ages=True)
    archive.delete("a")
    archive.arrive("a", stable=True)
    assert look(tmp_path, archive) == []
    monkeypatch.setattr("ml.pacs.place._PAUSE", timedelta(0))
    assert look(tmp_path, archive) == ["a"]
    assert look(tmp_path, archive) == []


def test_a_study_in_trouble_that_is_deleted_leaves_nothing_behind(tmp_path, monkeypatch):
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=True)
    feed = feed_of(tmp_path, archive)
    for study in feed.complete(10):
        feed.fail(study, ages=True)
    archive.delete("a")
    monkeypatch.setattr("ml.pacs.place._PAUSE", timedelta(0))
    assert look(tmp_path, archive) == []
    kept = (tmp_path / "place.json").read_text()
    assert '"waiting": {}' in kept
    assert '"trouble": {}' in kept


def test_a_log_that_begins_anew_is_read_from_its_beginning(tmp_path):
    archive = ScriptedOrthanc()
    for number in range(5):
        archive.arrive(f"old {number}", stable=True)
    look(tmp_path, archive)
    archive.log, archive.stable = [], {}
    assert look(tmp_path, archive) == []
    archive.arrive("new", stable=True)
    assert look(tmp_path, archive) == ["new"]


def test_what_is_kept_names_no_study(tmp_path):
    archive = ScriptedOrthanc()
    archive.arrive("identifier", stable=False)
    look(tmp_path, archive)
    kept = (tmp_path / "place.json").read_text()
    assert "identifier" not in kept
    assert "IDENTIFIER" in kept
    assert '"since": 4' in kept


def test_a_study_in_trouble_does_not_hold_up_the_others(tmp_path):
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=True)
    archive.arrive("b", stable=True)
    feed = feed_of(tmp_path, archive)
    for study in feed.complete(10):
        if study == "a":
            assert not feed.is_last_try(study)
            feed.fail(study, ages=True)
        else:
            feed.settle(study)
    assert look(tmp_path, archive) == []


def test_only_its_own_failures_bring_a_study_s_last_try_nearer(tmp_path, monkeypatch):
    monkeypatch.setattr("ml.pacs.place._PATIENCE", timedelta(0))
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=True)
    feed = feed_of(tmp_path, archive)
    for study in feed.complete(10):
        feed.fail(study, ages=False)
        assert not feed.is_last_try(study)
        assert look(tmp_path, archive) == []  # it rests all the same
        feed.fail(study, ages=True)
        assert feed_of(tmp_path, archive).is_last_try(study)


def test_a_place_that_was_kept_with_a_beginning_of_each_trouble_is_read(tmp_path):
    old = {"first": "2026-11-01T08:00:00Z", "last": "2026-11-01T08:00:00Z"}
    kept = {"since": 4, "waiting": {"3": "A"}, "trouble": {"A": old}}
    (tmp_path / "place.json").write_text(json.dumps(kept))
    archive = ScriptedOrthanc()
    archive.arrive("a", stable=True)
    feed = feed_of(tmp_path, archive)
    assert list(feed.complete(10)) == ["a"]
    assert feed.is_last_try("a")
