from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from ml.contract.records import FeedbackRecord

_VALUES = {
    "feedback_id": "f1",
    "request_id": "r1",
    "at": datetime(2026, 1, 1, tzinfo=UTC),
    "label": "benign",
    "author": "Dr. Nour",
}


def test_a_record_survives_json() -> None:
    record = FeedbackRecord.model_validate(_VALUES)
    assert FeedbackRecord.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize(
    "changes",
    [
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"author": ""},
        {"author": "x" * 201},
        {"comment": "x" * 2001},
        {"comment": "PostgreSQL stores no \0"},
        {"patient_name": "Nour"},
    ],
)
def test_what_cannot_be_stored_or_must_not_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FeedbackRecord.model_validate(_VALUES | changes)
