"""The running server against its own OpenAPI document, with requests made up from it."""

import pytest
import schemathesis
import schemathesis.specs.openapi.checks as openapi_checks
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from tests.serving.server_process import ServerProcess

EXAMPLES = 30
CHECKS = [
    not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def api(tmp_path_factory, tiny_bundle):
    home = tmp_path_factory.mktemp("contract")
    environment = {"VIGIE_ENGINE": "onnxruntime"}
    with ServerProcess(home, "--bundle", str(tiny_bundle), environment=environment) as server:
        server.wait_until_ready()
        yield schemathesis.openapi.from_url(f"{server.url}/openapi.json")


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_one_that_the_document_declares(api, mode):
    asked = 0
    for found in api.get_all_operations():
        operation = found.ok()
        can_be_wrong = bool(operation.body) or bool(operation.query)
        if mode is GenerationMode.NEGATIVE and not can_be_wrong:
            continue  # any text is a path

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            case.call_and_validate(checks=CHECKS)

        ask()
        asked += 1
    assert asked >= 5
