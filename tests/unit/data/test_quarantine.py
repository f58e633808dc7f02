import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml.contract.errors import InputError, NotFound
from ml.data.quarantine import Quarantine
from ml.data.quarantine_record import Fault, QuarantinedImage
from ml.data.results import IncomingImage
from ml.data.sealed import Seal, SealBroken
from ml.data.storage import Place, write_bytes

SEAL = Seal(b"a key that only this test holds.")
IMAGE = IncomingImage(
    path="Muster^Erika/scan.png", label="benign", patient="p1", site="north", fingerprint="ab" * 32
)
CUT = Fault(code="unreadable-image", reason="cut short")
NARROW = Fault(
    code="width-out-of-bounds",
    reason="width out of bounds",
    expectation="expect_column_values_to_be_between",
    column="width",
    observed=40,
    bound={"min_value": 64},
)
PIXELS = "c" * 64
MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture
def quarantine(anywhere: Place) -> Quarantine:
    return Quarantine(anywhere / "quarantine", SEAL)


def _add(quarantine: Quarantine, data: bytes | None = b"broken", **values: object) -> str:
    given = {"faults": [CUT], "batch_id": "one", "at": MONDAY, **values}
    return quarantine.add(IMAGE, data, **given)


def _release(quarantine: Quarantine, identity: str, label: str | None = None) -> QuarantinedImage:
    record = quarantine.find(identity)
    return quarantine.release(
        record, mark="7", by="erika", reason="seen", label=label, at=MONDAY + timedelta(days=1)
    )


def _close(quarantine: Quarantine, identity: str, state: str = "discarded") -> None:
    quarantine.close(
        quarantine.find(identity),
        state,
        by="erika",
        reason="of no use",
        at=MONDAY + timedelta(days=2),
    )


def test_what_was_delivered_is_sealed_and_why_it_was_refused_is_not(
    quarantine: Quarantine,
) -> None:
    identity = _add(quarantine, b"PatientName Muster^Erika", faults=[NARROW], image_id=PIXELS)
    folder = quarantine.root / "open" / identity
    for name in ("content", "delivery", "record.json"):
        assert b"Muster" not in (folder / name).read_bytes()
        if isinstance(folder, Path):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    if isinstance(folder, Path):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert quarantine.content(identity) == b"PatientName Muster^Erika"
    assert quarantine.delivery(identity) == IMAGE
    (record,) = quarantine.list()
    assert (record.faults, record.code) == ([NARROW], "width-out-of-bounds")
    assert (record.label, record.site, record.batch_id) == ("benign", "north", "one")
    assert (record.image_id, record.content, record.file_bytes) == (PIXELS, "delivered", 24)
    with pytest.raises(SealBroken):
        Quarantine(quarantine.root, Seal(b"another key of thirty-two bytes.")).content(identity)


def test_the_same_file_again_keeps_its_history_and_shows_its_last_faults(
    quarantine: Quarantine,
) -> None:
    _add(quarantine)
    _add(quarantine)
    _add(quarantine, faults=[NARROW], batch_id="two", at=MONDAY + timedelta(days=3))
    (record,) = quarantine.list("waiting")
    assert record.reasons == ["width out of bounds"]
    assert [(event.by, event.reason) for event in record.history] == [
        ("batch one", "cut short"),
        ("batch two", "width out of bounds"),
    ]
    assert (record.first_seen, record.last_seen) == (MONDAY, MONDAY + timedelta(days=3))


def test_a_file_without_bytes_is_listed_under_its_fingerprint(quarantine: Quarantine) -> None:
    assert _add(quarantine, None) == IMAGE.fingerprint
    (record,) = quarantine.list()
    assert (record.content, record.file_bytes) == ("none", 0)
    with pytest.raises(NotFound, match="Nothing is kept"):
        quarantine.content(IMAGE.fingerprint)


def test_an_entry_without_a_record_is_unfinished_and_not_listed(quarantine: Quarantine) -> None:
    write_bytes(quarantine.root / "open" / "half" / "content", b"x")
    assert quarantine.list() == []


def test_an_empty_quarantine_lists_nothing(quarantine: Quarantine) -> None:
    assert quarantine.list() == []
    assert [*quarantine.released()] == []


def test_a_file_is_found_by_the_beginning_of_its_id(quarantine: Quarantine) -> None:
    identity = _add(quarantine)
    assert quarantine.find(identity[:8]).quarantine_id == identity
    for wrong in ("0" * 12, "", "*", "../open", "xyz"):
        with pytest.raises(NotFound):
            quarantine.find(wrong)
    # Of 17 ids two begin alike.
    begins = [_add(quarantine, b"%d" % number)[0] for number in range(16)] + [identity[0]]
    first = next(begin for begin in begins if begins.count(begin) > 1)
    with pytest.raises(InputError, match="quarantined files have ids that begin with"):
        quarantine.find(first)


def test_a_released_file_comes_as_a_new_one_and_its_image_past_its_faults(
    quarantine: Quarantine,
) -> None:
    identity = _add(quarantine, faults=[NARROW], image_id=PIXELS)
    record = _release(quarantine, identity, label="normal")
    (image,) = quarantine.released()
    assert (image.quarantined, image.label, image.patient) == (identity, "normal", "p1")
    assert image.fingerprint == record.fingerprint != IMAGE.fingerprint
    assert quarantine.list("waiting") == []
    assert quarantine.rulings.on([PIXELS, "d" * 64])[PIXELS].codes == ["width-out-of-bounds"]
    # The same decision, repeated after it was interrupted, is the same file.
    again = quarantine.find(identity).model_copy(update={"fingerprint": IMAGE.fingerprint})
    assert (
        quarantine.release(again, mark="7", by="e", reason="", label=None, at=MONDAY).fingerprint
        == image.fingerprint
    )


def test_a_file_that_came_in_leaves_its_record_alone(quarantine: Quarantine) -> None:
    identity, other = _add(quarantine), _add(quarantine, b"other")
    for each in (identity, other):
        _release(quarantine, each)
    name = quarantine.find(identity).fingerprint
    quarantine.settle([name, "unknown"], "accepted", by="batch two")
    assert quarantine.find(identity).state == "accepted"
    assert [record.quarantine_id for record in quarantine.list("released")] == [other]
    with pytest.raises(NotFound):
        quarantine.content(identity)


def test_of_a_discarded_file_nothing_but_the_record_is_left(quarantine: Quarantine) -> None:
    identity = _add(quarantine)
    _close(quarantine, identity)
    (record,) = quarantine.list()
    assert (record.state, record.content) == ("discarded", "none")
    assert [event.state for event in record.history] == ["waiting", "discarded"]
    assert not (quarantine.root / "open" / identity / "content").exists()


def test_a_file_that_was_decided_on_comes_back_with_its_history(quarantine: Quarantine) -> None:
    identity = _add(quarantine)
    _close(quarantine, identity)
    _add(quarantine, batch_id="two")
    (record,) = quarantine.list()
    assert record.state == "waiting"
    assert [event.state for event in record.history] == ["waiting", "discarded", "waiting"]
    assert quarantine.content(identity) == b"broken"


def test_a_later_ruling_on_an_image_adds_to_an_earlier_one(quarantine: Quarantine) -> None:
    identity = _add(quarantine, faults=[NARROW], image_id=PIXELS)
    _release(quarantine, identity)
    _add(quarantine, faults=[Fault(code="blurred", reason="blurred")], image_id=PIXELS)
    _release(quarantine, identity)
    assert quarantine.rulings.on([PIXELS])[PIXELS].codes == ["blurred", "width-out-of-bounds"]
