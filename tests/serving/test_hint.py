"""The registry's webhook, signed as MLflow itself signs."""

import json
import time

import pytest
from mlflow.webhooks.delivery import _generate_hmac_signature

from serving.errors import HookRefused
from serving.hint import MAX_AGE_SECONDS, check_hint

SECRET = "a secret of the two"
BODY = json.dumps({"entity": "model_version_alias", "action": "created", "data": {}})


def headers(body: str = BODY, *, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    return {
        "X-MLflow-Signature": _generate_hmac_signature(secret, "delivery-1", timestamp, body),
        "X-MLflow-Delivery-ID": "delivery-1",
        "X-MLflow-Timestamp": timestamp,
    }


def post(client, body: str = BODY, **how: object):
    return client.post("/hooks/registry", content=body, headers=headers(**how))


def test_a_signed_delivery_makes_the_server_look_at_once(start_app):
    client = start_app(webhook_secret=SECRET, poll_seconds=3600)
    looks = []
    source = client.app.state.server.watcher._source
    look = source.look
    source.look = lambda: (looks.append(time.monotonic()), look())[1]
    assert post(client).status_code == 204
    deadline = time.monotonic() + 5
    while not looks:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    "how", [{"secret": "another"}, {"at": 0}, {"body": BODY + " "}], ids=["secret", "old", "body"]
)
def test_a_forged_or_replayed_delivery_is_refused(start_app, how):
    client = start_app(webhook_secret=SECRET)
    answer = client.post("/hooks/registry", content=BODY, headers=headers(**how))
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:vigie:problem:hook-refused"
    assert SECRET not in answer.text


def test_without_headers_a_delivery_is_refused(start_app):
    assert start_app(webhook_secret=SECRET).post("/hooks/registry").status_code == 403


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_there_is_no_such_route(start_app, secret):
    assert post(start_app(webhook_secret=secret), secret="").status_code == 404


@pytest.mark.parametrize(
    ("age", "believed"),
    [(MAX_AGE_SECONDS, True), (MAX_AGE_SECONDS + 1, False), (-MAX_AGE_SECONDS - 1, False)],
)
def test_the_timestamp_may_differ_by_five_minutes(age, believed):
    signed = headers(at=1_000_000)
    values = dict(zip(("signature", "delivery", "timestamp"), signed.values(), strict=True))
    try:
        check_hint(SECRET, BODY.encode(), **values, now=1_000_000 + age)
    except HookRefused:
        assert not believed
    else:
        assert believed


@pytest.mark.parametrize("signature", ["", "v1,", "v1,no base64", "v2,AAAA", "v1,é"])
def test_what_is_no_signature_is_refused(signature):
    with pytest.raises(HookRefused):
        check_hint(SECRET, b"", signature=signature, delivery="", timestamp="1", now=1.0)
