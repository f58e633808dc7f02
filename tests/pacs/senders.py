"""Real callers of the receiver."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from tests.pacs.studies import read

SENDER, RECEIVER = "SENDER", "VIGIE"


@contextmanager
def association(
    port: int,
    *,
    title: str = SENDER,
    called: str = RECEIVER,
    sop_class: str = UltrasoundImageStorage,
    syntax: str = ExplicitVRLittleEndian,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Association]:
    entity = AE(title)
    entity.add_requested_context(sop_class, syntax)
    entity.add_requested_context(Verification)
    entity.acse_timeout = entity.dimse_timeout = 20
    made = entity.associate(
        "127.0.0.1", port, ae_title=called, tls_args=(tls, "127.0.0.1") if tls else None
    )
    try:
        yield made
    finally:
        if made.is_established:
            made.release()


def store(port: int, files: list[bytes], **options: Any) -> list[Dataset]:
    """Send files in one association; the answers' status data sets."""
    with association(port, **options) as made:
        assert made.is_established
        return [made.send_c_store(read(file)) for file in files]


def codes(answers: list[Dataset]) -> list[int]:
    return [answer.Status for answer in answers]
