"""Tokens of an identity provider: real signatures, and real keys fetched over HTTP."""

import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from ml.contract.errors import InvalidParams
from serving.app import create_app
from serving.settings import Settings
from serving.sources import FolderSource

ISSUER, AUDIENCE = "https://login.example.org", "vigie"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


class Provider:
    """Publishes its keys, as an identity provider does."""

    def __init__(self) -> None:
        keys = [
            {**json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())), "kid": "rsa", "use": "sig"},
            {**json.loads(ECAlgorithm.to_jwk(EC_KEY.public_key())), "kid": "ec", "use": "sig"},
        ]
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": keys}).encode())

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def provider():
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture
def client(start_app, provider):
    return start_app(oidc_issuer=ISSUER, oidc_jwks_url=provider.url)


def token(key=RSA_KEY, kid="rsa", algorithm="RS256", **changes):
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "erika@example.org",
        "exp": time.time() + 300,
        "scope": "openid vigie:predict",
        **changes,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": kid})


def status(client, presented, path="/model"):
    return client.get(path, headers={"Authorization": f"Bearer {presented}"}).status_code


def test_a_token_lets_in_for_its_scopes(client):
    assert status(client, token()) == 200
    assert status(client, token(), "/metrics") == 403
    assert status(client, token(scope="vigie:admin"), "/metrics") == 200
    assert status(client, token(scope=None, scp=["vigie:metrics"]), "/metrics") == 200
    assert status(client, token(EC_KEY, "ec", "ES256")) == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 946_684_800},
        {"exp": None},
        {"sub": None},
        {"iss": "https://elsewhere.example.org"},
        {"aud": "another"},
        {"nbf": 4_102_444_800},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_us_now_is_nobody(client, changes):
    assert status(client, token(**changes)) == 401


def test_a_forged_token_is_nobody(client):
    assert status(client, token(OTHER_KEY)) == 401
    assert status(client, token(kid="unknown")) == 401
    assert status(client, jwt.encode({"sub": "x"}, None, algorithm="none")) == 401
    head, claims, signature = token().split(".")
    assert status(client, f"{head}.{claims[:-2]}AA.{signature}") == 401


def test_the_public_key_is_no_shared_secret(client):
    public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    # By hand, since the library does not help to forge.
    claims = token().split(".")[1].encode()
    signed = base64url_encode(b'{"alg":"HS256","kid":"rsa","typ":"JWT"}') + b"." + claims
    signature = base64url_encode(hmac.digest(public, signed, "sha256"))
    assert status(client, (signed + b"." + signature).decode()) == 401


def test_a_token_without_our_scopes_may_do_nothing(client):
    assert status(client, token(scope="openid profile predict")) == 403


def test_keys_are_fetched_once_and_tokens_checked_once(client, provider):
    before = len(provider.asked)
    presented = token()
    for _ in range(5):
        assert status(client, presented) == 200
    assert len(provider.asked) <= before + 1


def test_no_person_is_named_in_the_log(client, caplog):
    caplog.set_level("INFO")
    status(client, token())
    assert "caller=oidc:" in caplog.text
    assert "erika" not in caplog.text


def test_a_provider_that_does_not_answer_is_told_apart(start_app):
    client = start_app(oidc_issuer=ISSUER, oidc_jwks_url="http://127.0.0.1:9/jwks")
    assert status(client, token()) == 503


def test_an_issuer_without_keys_refuses_to_start(tmp_path, tiny_bundle):
    settings = Settings(home=tmp_path, oidc_issuer=ISSUER)
    with pytest.raises(InvalidParams, match="where its keys are"):
        create_app(settings, FolderSource(tiny_bundle))
