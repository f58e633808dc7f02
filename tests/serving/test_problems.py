import pytest

from ml.contract import errors as contract_errors
from ml.contract.errors import BundleInvalid, VigieError
from serving import errors as server_errors
from serving.problems import problem_of, response_for


def every_error() -> list[type[VigieError]]:
    found = {}
    for module in (contract_errors, server_errors):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, VigieError):
                found[value.__name__] = value
    return sorted(found.values(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_becomes_a_problem_under_its_code(kind):
    arguments = {"retry_after": 3} if issubclass(kind, server_errors.AskedTooSoon) else {}
    problem = problem_of(kind("Something.", remedy="Do this.", **arguments), "r1")
    assert problem.type == f"urn:vigie:problem:{kind.code}"
    assert (problem.detail, problem.remedy) == ("Something.", "Do this.")
    assert 400 <= problem.status <= 503


def test_an_unexpected_error_shows_nothing_of_its_inside():
    problem = problem_of(RuntimeError("password is hunter2"), "r1")
    assert problem.status == 500
    assert "hunter2" not in problem.model_dump_json()


def test_where_trying_again_may_help_the_answer_says_when():
    overloaded = server_errors.Overloaded("Full.", retry_after=7)
    assert response_for(overloaded, path="/", request_id="r").headers["Retry-After"] == "7"
    broken = BundleInvalid("NaN.")
    assert "Retry-After" in response_for(broken, path="/", request_id="r").headers


def test_unknown_paths_and_methods_are_problems_too(client):
    for method, path, status in (("GET", "/nowhere", 404), ("GET", "/predict", 405)):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Allow"] == "POST"


def test_a_mistake_of_ours_is_a_problem_without_internals(client, caplog):
    client.app.state.server.slot.lease = None  # calling it raises TypeError
    answer = client.get("/model")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:vigie:problem:internal"
    assert answer.json()["request_id"] in caplog.text
    assert "NoneType" not in answer.text
