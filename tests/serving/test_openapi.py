"""The OpenAPI document: valid, complete, and with examples that its own schemas accept."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

URI = "urn:vigie:openapi"
PROBLEM = "application/problem+json"
# Multipart forms hold files, which JSON cannot, and so are images; metrics are text.
WITHOUT_EXAMPLE = {"multipart/form-data", "text/plain", "image/png"}


@pytest.fixture(scope="module")
def document(shared_client) -> dict[str, Any]:
    return shared_client.get("/openapi.json").json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every request body and answer: where, its media type, what is said of it."""
    for name, operation in operations(document):
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for part, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                yield f"{name} {part}", media_type, content


def examples_of(document: dict[str, Any], content: dict[str, Any]) -> list[Any]:
    """Examples beside the schema, in it, or put together from those of its fields."""
    if "examples" in content:
        return [example["value"] for example in content["examples"].values()]
    schema = content["schema"]
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "examples" in schema:
        return schema["examples"]
    fields = schema.get("properties", {})
    if fields and all("examples" in field for field in fields.values()):
        return [{name: field["examples"][0] for name, field in fields.items()}]
    return []


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    registry = Registry().with_resource(URI, Resource(document, DRAFT202012))
    # Pointers inside the schema mean the document.
    if "$ref" in schema:
        schema = {"$ref": URI + schema["$ref"]}
    return Draft202012Validator(schema, registry=registry)


def test_the_document_is_valid_openapi(document):
    assert document["openapi"].startswith("3.1")
    OPENAPI_31_VALIDATOR.validate(document)


def test_it_says_which_version_and_licence_it_is_of(document):
    from importlib.metadata import version

    assert document["info"]["version"] == version("vigie")
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert "not a medical device" in document["info"]["description"]


def test_every_operation_has_a_described_tag_and_a_text(document):
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    for name, operation in operations(document):
        assert operation["tags"], name
        assert set(operation["tags"]) <= described, name
        assert operation["description"], name


def test_an_image_may_be_kept_for_review_unless_its_sender_says_no(document):
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    name = content["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]
    field = document["components"]["schemas"][name]["properties"]["review"]
    assert (field["type"], field["default"]) == ("boolean", True)
    assert "kept for review" in field["description"]


def test_every_request_and_answer_has_an_example(document):
    without = [
        where
        for where, media_type, content in contents(document)
        if media_type not in WITHOUT_EXAMPLE and not examples_of(document, content)
    ]
    assert without == []


def test_every_example_fits_its_schema(document):
    checked = 0
    for where, _, content in contents(document):
        for example in examples_of(document, content):
            faults = [
                error.message
                for error in validator(document, content["schema"]).iter_errors(example)
            ]
            assert faults == [], where
            checked += 1
    assert checked > 40


def test_problems_are_declared_as_problem_documents_alone(document):
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status.startswith("4"):
                assert list(answer["content"]) == [PROBLEM], (name, status)


def test_where_trying_again_may_help_the_header_is_declared(document):
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status in ("429", "503") and PROBLEM in answer["content"]:
                assert "Retry-After" in answer["headers"], (name, status)
