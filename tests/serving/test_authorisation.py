"""Every route of the server with every scope, with none, and with keys that are not good."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from starlette.routing import Mount, Route

from ml.contract.api_keys import SCOPES, KeyRing, issue, write_keys
from tests.serving.application import running_app
from tests.serving.images import png

NEEDS = {
    ("GET", "/"): "public",
    ("GET", "/static/app.js"): "public",
    ("GET", "/openapi.json"): "public",
    ("GET", "/health/live"): "public",
    ("GET", "/health/ready"): "public",
    ("GET", "/v2/health/live"): "public",
    ("GET", "/v2/health/ready"): "public",
    ("POST", "/hooks/registry"): "public",
    ("GET", "/metrics"): "metrics",
    ("GET", "/model"): "predict",
    ("POST", "/predict"): "predict",
    ("POST", "/batch_predict"): "predict",
    ("GET", "/v2"): "predict",
    ("GET", "/v2/models/{name}"): "predict",
    ("GET", "/v2/models/{name}/versions/{version}"): "predict",
    ("GET", "/v2/models/{name}/ready"): "predict",
    ("GET", "/v2/models/{name}/versions/{version}/ready"): "predict",
    ("POST", "/v2/models/{name}/infer"): "predict",
    ("POST", "/v2/models/{name}/versions/{version}/infer"): "predict",
    ("POST", "/feedback"): "feedback",
    ("GET", "/review"): "public",
    ("POST", "/v1/review/next"): "review",
    ("GET", "/v1/review/{review_id}/image"): "review",
    ("POST", "/v1/review/{review_id}/label"): "review",
    ("POST", "/v1/review/{review_id}/skip"): "review",
    ("POST", "/v1/review/{review_id}/undo"): "review",
    ("POST", "/v1/review/{review_id}/reveal"): "review",
}
REFUSED = {401, 403}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A key of each scope, and their file."""
    path = tmp_path_factory.mktemp("keys") / "api-keys.json"
    now = datetime.now(UTC)
    made = {scope: issue(scope, [scope], now=now) for scope in SCOPES}
    write_keys(path, KeyRing(kept for _, kept in made.values()))
    return path, {scope: key for scope, (key, _) in made.items()}


@pytest.fixture(scope="module")
def locked_client(tmp_path_factory, tiny_bundle, keys):
    home = tmp_path_factory.mktemp("home")
    with running_app(home, tiny_bundle, api_keys_file=keys[0]) as client:
        yield client


def ask(client, method, path, **headers):
    return client.request(
        method, path.format(name="vigie", version="1", review_id="0" * 16), headers=headers
    )


def test_every_route_is_in_the_matrix(locked_client):
    routes = set()
    for route in locked_client.app.routes:
        if isinstance(route, Route):
            routes |= {(method, route.path) for method in route.methods - {"HEAD"}}
        elif isinstance(route, Mount):
            routes.add(("GET", f"{route.path}/app.js"))
    assert routes == set(NEEDS)


@pytest.mark.parametrize(("route", "needed"), NEEDS.items(), ids=lambda value: str(value))
def test_a_route_lets_in_its_scope_and_admin_alone(locked_client, keys, route, needed):
    admitted = {
        scope
        for scope, key in keys[1].items()
        if ask(locked_client, *route, **{"X-API-Key": key}).status_code not in REFUSED
    }
    strangers = ask(locked_client, *route).status_code not in REFUSED
    if route == ("POST", "/hooks/registry"):
        # It has a signature instead of a key, and does not exist without its secret.
        assert ask(locked_client, *route).status_code == 404
    elif needed == "public":
        assert strangers
        assert admitted == set(SCOPES)
    else:
        assert not strangers
        assert admitted == {needed, "admin"}


def test_what_nobody_has_listed_needs_admin(locked_client, keys):
    for path in ("/not/there", "/modelling", "/predict2", "/healthy"):
        assert ask(locked_client, "GET", path).status_code == 401
        assert ask(locked_client, "GET", path, **{"X-API-Key": keys[1]["predict"]}).status_code == (
            403
        )
    assert ask(locked_client, "DELETE", "/predict").status_code == 401


def test_a_stranger_is_told_what_to_send(locked_client):
    answer = locked_client.post("/predict", files={"file": png()})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    problem = answer.json()
    assert problem["type"] == "urn:vigie:problem:not-authenticated"
    assert "X-API-Key" in problem["remedy"]


def test_a_key_may_come_as_a_bearer_token(locked_client, keys):
    headers = {"Authorization": f"Bearer {keys[1]['predict']}"}
    answer = locked_client.post("/predict", files={"file": png()}, headers=headers)
    assert answer.status_code == 200


def test_a_key_without_the_scope_is_told_which_it_lacks(locked_client, keys):
    answer = ask(locked_client, "GET", "/metrics", **{"X-API-Key": keys[1]["predict"]})
    assert answer.status_code == 403
    assert "metrics" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic YTpi", "Bearer é"])
def test_what_is_no_key_is_nobody(locked_client, header):
    headers = {"Authorization": header.encode("latin-1")}
    assert locked_client.get("/model", headers=headers).status_code == 401


def test_the_log_names_the_key_by_its_id_alone(locked_client, keys, caplog):
    caplog.set_level("INFO")
    key = keys[1]["predict"]
    ask(locked_client, "GET", "/model", **{"X-API-Key": key})
    assert f"caller=key:{key.split('_')[1]}" in caplog.text
    assert key.rpartition("_")[2] not in caplog.text


def test_a_key_is_slowed_down_alone(start_app, tmp_path):
    path = tmp_path / "keys.json"
    now = datetime.now(UTC)
    (slow, kept_slow), (other, kept_other) = (
        issue("slow", ["predict"], now=now, per_minute=3),
        issue("other", ["predict"], now=now),
    )
    write_keys(path, KeyRing([kept_slow, kept_other]))
    client = start_app(api_keys_file=path)
    seen = [ask(client, "GET", "/model", **{"X-API-Key": slow}).status_code for _ in range(5)]
    assert seen == [200, 200, 200, 429, 429]
    refused = ask(client, "GET", "/model", **{"X-API-Key": slow})
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert ask(client, "GET", "/model", **{"X-API-Key": other}).status_code == 200


def test_keys_rotate_while_the_server_runs(start_app, tmp_path, monkeypatch):
    monkeypatch.setattr("serving.key_file._LOOK_SECONDS", 0.0)
    path = tmp_path / "keys.json"
    now = datetime.now(UTC)
    (old, kept_old), (new, kept_new) = (issue(n, ["predict"], now=now) for n in ("old", "new"))
    write_keys(path, KeyRing([kept_old]))
    client = start_app(api_keys_file=path)

    def good(key):
        return ask(client, "GET", "/model", **{"X-API-Key": key}).status_code == 200

    assert (good(old), good(new)) == (True, False)
    write_keys(path, KeyRing([kept_old, kept_new]))
    assert (good(old), good(new)) == (True, True)
    ended = kept_old.model_copy(update={"expires_at": now - timedelta(seconds=1)})
    write_keys(path, KeyRing([ended, kept_new]))
    assert (good(old), good(new)) == (False, True)


def test_a_file_that_breaks_later_is_told_of_and_changes_nothing(
    start_app, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("serving.key_file._LOOK_SECONDS", 0.0)
    path = tmp_path / "keys.json"
    key, kept = issue("client", ["predict"], now=datetime.now(UTC))
    write_keys(path, KeyRing([kept]))
    client = start_app(api_keys_file=path)
    path.write_text(json.dumps({"keys": "none"}))
    assert ask(client, "GET", "/model", **{"X-API-Key": key}).status_code == 200
    assert "keys read before stay in force" in caplog.text


def test_a_large_body_of_a_stranger_is_not_read(locked_client):
    answer = locked_client.post("/predict", content=b"x" * 1000)
    assert answer.status_code == 401
    assert answer.headers["Connection"] == "close"


def test_the_document_says_which_routes_need_a_key(locked_client):
    document = locked_client.get("/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"apiKey", "bearer"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            needed = NEEDS[(method.upper(), path)]
            if needed == "public":
                assert operation["security"] == []
            else:
                assert operation["security"] == [{"apiKey": [needed]}, {"bearer": [needed]}]
                assert {"401", "403", "429"} <= set(operation["responses"])
