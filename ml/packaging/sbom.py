"""What the software is made of, as a CycloneDX bill of materials (ECMA-424)."""

from datetime import datetime
from importlib.metadata import Distribution, distributions
from uuid import UUID

from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_PROJECT = "vigie"


def bill_of_materials(*, at: datetime, serial: UUID) -> str:
    """The Python packages of this installation with versions and licences, as JSON.

    Args:
        serial: names this document; the same installation, time and serial give the same text.
    """
    found = {item.metadata["Name"].lower(): item for item in distributions()}
    subject = _component(found.pop(_PROJECT), ComponentType.APPLICATION)
    bom = Bom(
        serial_number=serial,
        metadata=BomMetaData(component=subject, timestamp=at),
        components=[_component(found[name], ComponentType.LIBRARY) for name in sorted(found)],
    )
    bom.register_dependency(subject, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(item: Distribution, kind: ComponentType) -> Component:
    name, version = item.metadata["Name"], item.version
    return Component(
        type=kind,
        name=name,
        version=version,
        bom_ref=f"{name.lower()}@{version}",
        purl=PackageURL("pypi", name=name.lower(), version=version),
        licenses=_licences(item),
    )


def _licences(item: Distribution) -> list[DisjunctiveLicense]:
    """As the package tells it: an expression, a short name, or its classifiers."""
    fields = item.metadata.json
    told = str(fields.get("license_expression") or fields.get("license") or "")
    name = told.strip().splitlines()[0] if told.strip() else ""
    if not name or len(name) > 100:
        trove = (
            value.rpartition(" :: ")[2]
            for value in item.metadata.get_all("Classifier") or ()
            if value.startswith("License ::")
        )
        name = ", ".join(trove)
    return [DisjunctiveLicense(name=name)] if name else []
