"""The model board in Airflow's own API server, behind Airflow's own login and permissions."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from ml.journey.promote import aliases, promote
from ml.journey.run import database_of
from ml.journey.workspace import Workspace
from ml.settings import PROJECT_ROOT
from ml.store import ledger
from tests.fakes.airflow_history import answer_about, question_about, write_history
from tests.fakes.judged_runs import judged_run

# Airflow's roles: a viewer sees, a user triggers DAGs and answers their questions.
ROLES = {"ada": "admin", "uli": "user", "vera": "viewer"}
ACTIONS = ("promote", "refuse", "rollback", "canary", "shadow", "withdraw")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """Airflow's API server with the plugin in it, and each user's token."""
    from airflow.api_fastapi import app as api
    from fastapi.testclient import TestClient

    write_history()
    with pytest.MonkeyPatch.context() as patch:
        users = ",".join(f"{name}:{role}" for name, role in ROLES.items())
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", users)
        passwords = tmp_path_factory.mktemp("secrets") / "passwords.json"
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(passwords))
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "s" * 64)
        api.purge_cached_app()
        app = api.create_app(apps="core")
        client = TestClient(app, base_url="http://airflow.test", follow_redirects=False)
        words = json.loads(passwords.read_text())
        tokens = {
            name: client.post(
                "/auth/token", json={"username": name, "password": words[name]}
            ).json()["access_token"]
            for name in ROLES
        }
        yield client, tokens
        api.purge_cached_app()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Version 1 in production, version 2 waiting for a person."""
    home = tmp_path_factory.mktemp("home")
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    first = judged_run(workspace, "run-1")
    promote(workspace, "run-1", actor="pipeline", reason="the first one")
    judged_run(
        workspace, "run-2", incumbent=first, approval="always", reason="<script>alert(1)</script>"
    )
    return home


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch) -> Workspace:
    shutil.copytree(made, tmp_path / "home")
    monkeypatch.setenv("VIGIE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VIGIE_SERVER_URL", "http://127.0.0.1:9")
    return Workspace.at(tmp_path / "home", expectations=PROJECT_ROOT / "expectations")


class Browser:
    """One user's browser: it keeps the cookie and sends the forms that it was shown."""

    def __init__(self, client, token: str | None) -> None:
        self.client = client
        self.cookies = {"Cookie": f"_token={token}"} if token else {}

    def get(self, path: str = "/vigie/board"):
        return self.client.get(path, headers=self.cookies)

    def send(self, action: str, fields: dict[str, str], **headers: str):
        told = {"sec-fetch-site": "same-origin", **self.cookies, **headers}
        return self.client.post(f"/vigie/board/{action}", data=fields, headers=told)

    def form(self, action: str) -> dict[str, str]:
        """The hidden fields of a form, as the page holds them."""
        page = self.get().text
        form = re.search(rf'action="/vigie/board/{action}".*?</form>', page, re.DOTALL)
        assert form, action
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form.group()))

    def decide(self, action: str, reason: str = "looks sound", **fields: str):
        return self.send(action, {**self.form(action), "reason": reason, **fields})


@pytest.fixture
def browser(airflow, workspace):
    client, tokens = airflow
    return lambda name: Browser(client, tokens.get(name))


def named(workspace: Workspace) -> dict[str, str]:
    return {alias: version.version for alias, version in aliases(workspace).items()}


def lines(workspace: Workspace) -> int:
    return len(ledger.read(database_of(workspace)))


def problem(answer) -> str:
    found = re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)
    assert found, answer.text[:500]
    return unescape(re.sub(r"<[^>]+>|\s+", " ", found.group(1)))


@pytest.mark.parametrize(
    "path",
    ["board", "board.css", "board/run/run-2/evaluation", "board/drift/r1"],
)
def test_nobody_sees_anything_who_is_not_logged_in(browser, path):
    assert browser("nobody").get(f"/vigie/{path}").status_code == 401


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(("name", "status"), [("nobody", 401), ("vera", 403)])
def test_nobody_decides_who_may_not(browser, workspace, action, name, status):
    before = lines(workspace), named(workspace)
    stolen = browser("ada").form("promote") | {"reason": "mine now"}
    assert browser(name).send(action, stolen).status_code == status
    assert (lines(workspace), named(workspace)) == before


def test_a_viewer_sees_all_and_is_offered_nothing(browser):
    page = browser("vera").get().text
    for told in ("Side by side", "version 2", "critical sensitivity", "the first one", "Slices"):
        assert told in page
    assert "<form" not in page
    assert "may look" in page


@pytest.mark.parametrize("name", ["ada", "uli"])
def test_whoever_may_trigger_the_dags_is_offered_what_is_possible(browser, name):
    page = browser(name).get().text
    assert "Approve and promote version 2" in page
    assert "Refuse version 2" in page
    assert "Not now: There is no previous version." in page


def test_the_page_brings_no_script_and_lets_nothing_in(browser):
    answer = browser("ada").get()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    assert not re.search(r'\bstyle="|\bon\w+="', answer.text)


def test_a_promotion_goes_into_the_ledger_by_name_and_reason(browser, workspace):
    answer = browser("uli").decide("promote")
    assert answer.status_code == 303
    assert named(workspace)["production"] == "2"
    approve, move = ledger.read(database_of(workspace))[-2:]
    assert [(line.action, line.actor, line.reason) for line in (approve, move)] == [
        ("approve", "airflow:uli", "looks sound"),
        ("promote", "airflow:uli", "looks sound"),
    ]
    assert answer.headers["location"] == f"/vigie/board?line={move.sequence}"
    shown = browser("uli").get(answer.headers["location"]).text
    assert "Done: promote, version 2." in shown


def test_a_rollback_brings_the_previous_version_back(browser, workspace):
    browser("ada").decide("promote")
    assert browser("ada").decide("rollback", "too many referrals").status_code == 303
    assert (named(workspace)["production"], named(workspace)["previous"]) == ("1", "2")
    line = ledger.read(database_of(workspace))[-1]
    assert (line.action, line.actor, line.reason) == (
        "rollback",
        "airflow:ada",
        "too many referrals",
    )


def test_a_version_is_tried_and_withdrawn(browser, workspace):
    ada = browser("ada")
    assert ada.decide("canary", share="12.5").status_code == 303
    assert ada.decide("shadow").status_code == 303
    assert "version 2, 12.5 %" in ada.get().text
    for trial in ("canary", "shadow"):
        assert ada.decide("withdraw", trial=trial).status_code == 303
    assert not {"canary", "shadow"} & set(named(workspace))
    assert ledger.read(database_of(workspace))[-4].evidence["weight"] == 0.125


def test_a_refused_version_says_who_refused_it(browser):
    assert browser("uli").decide("refuse", "slices are few").status_code == 303
    page = browser("ada").get().text
    assert "airflow:uli refused it" in page
    assert "slices are few" in page


def test_the_second_who_decides_is_told(browser, workspace):
    ada, uli = browser("ada"), browser("uli")
    late = uli.form("promote") | {"reason": "I was slower"}
    ada.decide("promote")
    before = lines(workspace)
    told = uli.send("promote", late)
    assert told.status_code == 409
    assert "production is version 2 by now, not 1" in problem(told)
    assert "decide again" in problem(told)
    back = uli.form("rollback") | {"reason": "too many referrals"}
    ada.decide("rollback", "too many referrals")
    told = uli.send("rollback", back)
    assert "Production is version 1, no longer 2" in problem(told)
    assert (lines(workspace), named(workspace)["production"]) == (before + 1, "1")


@pytest.mark.parametrize("reason", ["", "  ", "no", "x" * 1001, "a\x00b"])
def test_without_a_proper_reason_nothing_happens(browser, workspace, reason):
    before = lines(workspace)
    told = browser("ada").decide("promote", reason)
    assert told.status_code == 422
    assert "Give a reason" in problem(told)
    assert lines(workspace) == before


def test_what_was_typed_is_not_lost(browser):
    told = browser("ada").decide("canary", "a long <b>thought</b>", share="500")
    assert "a long &lt;b&gt;thought&lt;/b&gt;</textarea>" in told.text


@pytest.mark.parametrize(
    "forged",
    [
        {"token": ""},
        {"token": "InVsaSI.aaaa.bbbb"},
    ],
)
def test_a_form_without_the_pages_token_is_refused(browser, workspace, forged):
    before = lines(workspace)
    assert browser("ada").decide("promote", **forged).status_code == 403
    assert lines(workspace) == before


def test_another_persons_token_and_an_old_one_are_refused(browser, monkeypatch):
    ada, uli = browser("ada"), browser("uli")
    stolen = ada.form("promote")["token"]
    assert uli.decide("promote", token=stolen).status_code == 403
    old = ada.form("promote") | {"reason": "after a night"}
    monkeypatch.setattr("vigie_caller._TOKEN_SECONDS", -1)
    assert ada.send("promote", old).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_another_site_cannot_send_a_form(browser, workspace, headers):
    ada = browser("ada")
    form = ada.form("promote") | {"reason": "from elsewhere"}
    assert ada.send("promote", form, **headers).status_code == 403
    assert "2" not in named(workspace)["production"]


@pytest.mark.parametrize(
    ("origin", "status"), [("http://evil.test", 403), ("null", 403), ("http://airflow.test", 303)]
)
def test_an_old_browser_is_told_apart_by_its_origin(browser, origin, status):
    ada = browser("ada")
    form = ada.form("shadow") | {"reason": "from elsewhere"}
    told = ada.client.post(
        "/vigie/board/shadow", data=form, headers={**ada.cookies, "origin": origin}
    )
    assert told.status_code == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"version": "../1"}, 422),
        ({"trial": "production"}, 422),
        ({"share": "nan"}, 422),
        ({"share": "0"}, 422),
        ({"admin": "yes"}, 422),
        ({"reason": "x" * 20_000}, 413),
    ],
)
def test_a_form_that_the_page_would_not_send_is_refused(browser, workspace, fields, status):
    before = lines(workspace)
    assert browser("ada").decide("canary", **fields).status_code == status
    assert lines(workspace) == before


def test_there_are_no_other_actions(browser):
    assert browser("ada").send("delete", {}).status_code in (404, 422)
    assert browser("ada").get("/vigie/board/promote").status_code in (404, 405)


def test_without_the_registry_the_page_says_so(browser, workspace, monkeypatch):
    monkeypatch.setenv("VIGIE_DATABASE_URL", "postgresql://vigie@127.0.0.1:9/none")
    answer = browser("ada").get()
    assert answer.status_code == 503
    assert "does not answer" in problem(answer)
    assert "vigie rollback" in answer.text


@pytest.mark.parametrize("page", ["evaluation", "model_card", "decision"])
def test_reports_are_one_click_away(browser, page):
    answer = browser("vera").get(f"/vigie/board/run/run-2/{page}")
    assert answer.status_code == 200
    assert "script-src" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["run/run-2/local", "run/..%2frun-2/decision", "drift/..%2fr"])
def test_only_known_pages_are_shown(browser, path):
    assert browser("ada").get(f"/vigie/board/{path}").status_code in (404, 422)


def test_a_drift_report_runs_its_scripts_in_a_sandbox(browser, workspace):
    folder = workspace.drift_reports / "20260504T093000-v1-abcdef01"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<script>1</script>")
    answer = browser("vera").get(f"/vigie/board/drift/{folder.name}")
    assert answer.text == "<script>1</script>"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize(("action", "option"), [("promote", "Approve"), ("refuse", "Refuse")])
def test_airflows_own_question_is_answered_with_it(browser, action, option):
    with question_about("run-2"), question_about("run-9"):
        browser("uli").decide(action)
        told = [option], "uli", {"reason": "looks sound"}, "scheduled"
        assert answer_about("run-2") == told
        assert answer_about("run-9")[1] is None


def test_a_question_that_somebody_answered_already_does_not_stop_a_decision(browser, workspace):
    with question_about("run-2"):
        form = browser("uli").form("promote") | {"reason": "looks sound"}
        browser("ada").decide("refuse")
        assert browser("uli").send("promote", form).status_code == 303
        assert named(workspace)["production"] == "2"
        assert answer_about("run-2")[1] == "ada"
