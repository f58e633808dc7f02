import json
from datetime import UTC, datetime
from importlib.metadata import version
from uuid import UUID

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ml.packaging.sbom import bill_of_materials

TEXT = bill_of_materials(at=datetime(2026, 5, 4, tzinfo=UTC), serial=UUID(int=7))


def test_it_meets_the_specification():
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(TEXT) is None


def test_it_names_the_project_and_what_it_is_made_of():
    content = json.loads(TEXT)
    assert content["metadata"]["component"]["name"] == "vigie"
    found = {item["name"].lower(): item for item in content["components"]}
    for name in ("tensorflow", "onnxruntime", "mlflow", "fastapi"):
        assert found[name]["version"] == version(name)
        assert found[name]["purl"] == f"pkg:pypi/{name}@{version(name)}"
        assert found[name]["licenses"]


def test_the_same_installation_gives_the_same_text():
    assert bill_of_materials(at=datetime(2026, 5, 4, tzinfo=UTC), serial=UUID(int=7)) == TEXT
