import pytest

from ml.contract import errors
from ml.contract.errors import Refusal, UnreadableImage, VigieError


def _descendants(kind: type[VigieError]) -> list[type[VigieError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _descendants(child))]


def test_an_error_reads_as_what_happened_and_what_to_do() -> None:
    assert str(UnreadableImage("It is empty.", remedy="Send it again.")) == (
        "It is empty. Send it again."
    )
    assert str(UnreadableImage("It is empty.")) == "It is empty."


def test_a_refusal_carries_its_reasons() -> None:
    refusal = Refusal("No promotion.", reasons=["accuracy 0.71 is below 0.80"])
    assert refusal.reasons == ["accuracy 0.71 is below 0.80"]


def test_every_kind_has_a_code_of_its_own() -> None:
    kinds = [kind for kind in _descendants(VigieError) if kind.__module__ == errors.__name__]
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_details_cannot_be_changed_from_outside() -> None:
    details: dict[str, object] = {"limit": 3}
    error = VigieError("x", details=details)
    details["limit"] = 4
    assert error.details == {"limit": 3}
    with pytest.raises(VigieError):
        raise error
