"""Reading metric families in tests."""

from collections.abc import Iterable

from prometheus_client.core import Metric


def samples(families: Iterable[Metric]) -> dict[str, float]:
    """`name/label value/…` → value."""
    return {
        "/".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }
