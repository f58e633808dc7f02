"""Real application entities send to the receiver over the loopback interface."""

import logging
import threading
import time

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    MPEG2MPML,
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from ml.contract.decoding import decode
from ml.journey.pacs_collect import inbox_of
from ml.pacs.bounds import Bounds
from ml.pacs.names import SERIES_DESCRIPTION
from ml.pacs.peers import Peers
from ml.pacs.receiver import Receiver
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.fakes.full_disk import no_room_beyond
from tests.pacs.senders import RECEIVER, SENDER, association, codes, store
from tests.pacs.studies import as_file, identifiers, read, study_files

PARAMS = load_params(PROJECT_ROOT / "params.toml", profile="demo")
LIMIT = 200_000
SUCCESS, OUT_OF_RESOURCES, NOT_OF_ITS_CLASS, CANNOT_UNDERSTAND = 0, 0xA700, 0xA900, 0xC000


def receiver(workspace, *, peers=SENDER, **bounds):
    return Receiver(
        inbox_of(workspace, PARAMS),
        title=RECEIVER,
        address=("127.0.0.1", 0),
        peers=Peers.parse(peers),
        bounds=Bounds(**{"object_bytes": LIMIT, **bounds}),
    )


@pytest.fixture
def listening(workspace):
    with receiver(workspace) as running:
        yield running


def landed(workspace) -> list[bytes]:
    return [path.read_bytes() for path in files_of(workspace)]


def files_of(workspace):
    return sorted(path for path in workspace.landing.rglob("*") if path.is_file())


def pixels_of(files: list[bytes]) -> list[bytes]:
    return sorted(decode(file).pixels.tobytes() for file in files)


def test_a_study_lands_under_keyed_names_with_its_pixels_and_without_identifiers(
    workspace, listening
):
    sent = study_files([0, 128, 255])
    assert codes(store(listening.port, sent)) == [SUCCESS] * 3
    assert pixels_of(landed(workspace)) == pixels_of(sent)
    (study,) = {path.parent for path in files_of(workspace)}
    assert study.parent == workspace.landing / "unlabelled" / "pacs"
    everything = b"".join(landed(workspace)) + str(files_of(workspace)).encode()
    for planted in identifiers(sent):
        assert planted.encode() not in everything
    first = read(landed(workspace)[0])
    assert study.name == first.StudyInstanceUID
    assert first.SOPInstanceUID + ".dcm" in {path.name for path in files_of(workspace)}


SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEG2000Lossless,
    JPEGLSLossless,
]
TEXTS = st.text(
    st.characters(min_codepoint=65, max_codepoint=0x17F, categories=["Lu", "Ll"]),
    min_size=6,
    max_size=20,
)


@st.composite
def objects(draw) -> tuple[bytes, list[str]]:
    """An object of any grey depth in any encoding, and the texts that were hidden in it."""
    dataset = read(study_files([draw(st.integers(0, 255))], seed=draw(st.integers(0, 99)))[0])
    bits = draw(st.sampled_from([8, 12, 16]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.integers(0, 2**bits, (40, 52))
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated = 8 if bits == 8 else 16
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelData = values.astype("u1" if bits == 8 else "<u2").tobytes()
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    dataset.PhotometricInterpretation = draw(st.sampled_from(["MONOCHROME1", "MONOCHROME2"]))
    hidden = draw(st.lists(TEXTS, min_size=3, max_size=3, unique=True))
    hidden.append(draw(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=8, max_size=16)))
    dataset.SpecificCharacterSet, item = "ISO_IR 192", pydicom.Dataset()
    dataset.PatientName, dataset.ProtocolName, item.PatientComments, _ = hidden
    # Not what an age looks like: pydicom warns of such values by quoting them.
    dataset.PatientAge = item.OperatorsName = hidden[3]
    dataset.RequestAttributesSequence = [item]
    dataset.private_block(0x0019, hidden[0], create=True).add_new(7, "UN", hidden[1].encode())
    syntax = draw(st.sampled_from(SYNTAXES))
    if syntax.is_compressed:
        dataset.compress(syntax, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian and bits > 8:
            dataset.PixelData = values.astype(">u2").tobytes()
    content = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(
        content,
        dataset,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        force_encoding=True,
    )
    return content.getvalue(), hidden


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=objects())
def test_whatever_arrives_decodes_to_the_same_pixels_and_carries_no_hidden_text(
    workspace, listening, drawn
):
    sent, hidden = drawn
    before = set(files_of(workspace))
    answers = store(listening.port, [sent], syntax=read(sent).file_meta.TransferSyntaxUID)
    assert codes(answers) == [SUCCESS]
    (path,) = set(files_of(workspace)) - before
    arrived = path.read_bytes()
    np.testing.assert_array_equal(read(arrived).pixel_array, read(sent).pixel_array)
    for text in [*hidden, *identifiers([sent])]:
        assert text.encode() not in arrived


def test_the_same_object_again_is_one_file_that_is_not_written_again(workspace, listening):
    sent = study_files([128])
    store(listening.port, sent)
    (path,) = files_of(workspace)
    written = path.stat().st_mtime_ns
    assert codes(store(listening.port, sent)) == [SUCCESS]
    assert [item.stat().st_mtime_ns for item in files_of(workspace)] == [written]


def test_a_corrected_object_takes_the_place_of_the_first(workspace, listening):
    (sent,) = study_files([0])
    corrected = read(sent)
    corrected.PixelData = bytes(255 - value for value in corrected.PixelData)
    store(listening.port, [sent, as_file(corrected).getvalue()])
    assert pixels_of(landed(workspace)) == pixels_of([as_file(corrected).getvalue()])


def test_a_caller_may_ask_whether_anybody_is_there(listening):
    with association(listening.port) as made:
        assert made.send_c_echo().Status == SUCCESS


@pytest.mark.parametrize(
    ("title", "called", "peers", "told"),
    [
        ("STRANGER", RECEIVER, SENDER, "title is not in the list"),
        (SENDER, "OTHER", SENDER, "calls another title than VIGIE"),
        (SENDER, RECEIVER, f"{SENDER}@10.1.2.3", "belongs to another address"),
    ],
    ids=["an unknown title", "a call for somebody else", "a title from a foreign address"],
)
def test_who_is_not_expected_is_rejected(workspace, caplog, title, called, peers, told):
    with (
        receiver(workspace, peers=peers) as running,
        association(running.port, title=title, called=called) as made,
    ):
        assert made.is_rejected
    assert told in caplog.text
    assert "STRANGER" not in caplog.text


def test_a_title_may_be_tied_to_a_network(workspace):
    with receiver(workspace, peers=f"OTHER, {SENDER}@127.0.0.0/8") as running:
        assert codes(store(running.port, study_files([128]))) == [SUCCESS]


def test_reports_and_video_are_not_agreed_upon(listening):
    with association(listening.port, sop_class=BasicTextSRStorage) as made:
        assert [context.abstract_syntax.name for context in made.rejected_contexts] == [
            "Basic Text SR Storage"
        ]
    with association(listening.port, syntax=MPEG2MPML) as made:
        assert len(made.rejected_contexts) == 1


def test_an_object_that_is_too_large_is_refused_with_the_reason_and_the_next_one_lands(
    workspace, listening
):
    small, other = study_files([0, 128])
    large = read(other)
    large.Rows, large.Columns, large.PixelData = 600, 500, bytes(300_000)
    refused, taken = store(listening.port, [as_file(large).getvalue(), small])
    assert refused.Status & 0xF000 == CANNOT_UNDERSTAND
    assert refused.ErrorComment == "The object has more than 200,000 bytes."
    assert taken.Status == SUCCESS
    assert pixels_of(landed(workspace)) == pixels_of([small])


def without_pixels(dataset):
    del dataset.PixelData


def made_by_vigie(dataset):
    dataset.SeriesDescription = SERIES_DESCRIPTION


def without_study(dataset):
    del dataset.StudyInstanceUID


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (without_pixels, NOT_OF_ITS_CLASS),
        (made_by_vigie, NOT_OF_ITS_CLASS),
        (without_study, CANNOT_UNDERSTAND),
    ],
)
def test_what_is_no_image_of_a_study_is_refused_with_the_reason(workspace, listening, change, code):
    dataset = read(study_files([128])[0])
    change(dataset)
    (answer,) = store(listening.port, [as_file(dataset).getvalue()])
    assert answer.Status == code
    assert answer.ErrorComment.startswith("The DICOM ")
    assert files_of(workspace) == []


def test_on_a_full_disk_the_sender_is_told_to_come_again(workspace, listening):
    sent = study_files([128])
    with no_room_beyond(1000):
        assert codes(store(listening.port, sent)) == [OUT_OF_RESOURCES]
        assert files_of(workspace) == []
    assert codes(store(listening.port, sent)) == [SUCCESS]


def test_more_associations_than_agreed_wait_for_the_others_to_end(workspace, caplog):
    sent = study_files([128])
    with receiver(workspace, associations=2) as running:
        with association(running.port), association(running.port) as second:
            with association(running.port) as third:
                assert third.is_rejected
            until(lambda: "too many associations" in caplog.text)
            assert second.send_c_store(read(sent[0])).Status == SUCCESS
        until(lambda: not others())
        assert codes(store(running.port, sent)) == [SUCCESS]


def test_two_that_send_the_same_study_at_once_leave_one(workspace, listening):
    sent = study_files([0, 128, 255] * 3)
    threads = [threading.Thread(target=store, args=(listening.port, sent)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pixels_of(landed(workspace)) == pixels_of(sent)


def test_an_association_tells_in_one_line_what_it_came_to_and_names_nobody(
    workspace, listening, caplog
):
    caplog.set_level(logging.DEBUG)
    sent = study_files([0, 128])
    broken = read(sent[1])
    without_pixels(broken)
    store(listening.port, [sent[0], sent[0], as_file(broken).getvalue()])
    until(lambda: "landed" in caplog.text)
    (line,) = [record for record in caplog.records if "Association" in record.message]
    assert line.message.startswith(
        "Association of SENDER at 127.0.0.1: 1 landed, 1 there before, 1 refused (1 no-pixel-data);"
    )
    assert line.message.endswith("released.")
    for planted in identifiers(sent):
        assert planted not in caplog.text


def test_at_the_end_an_association_may_finish_what_it_sends(workspace):
    sent = study_files([0, 128, 255])
    running = receiver(workspace)
    running.__enter__()
    with association(running.port) as made:
        assert made.send_c_store(read(sent[0])).Status == SUCCESS
        end = threading.Thread(target=running.__exit__, args=(None, None, None))
        end.start()
        assert codes([made.send_c_store(read(file)) for file in sent[1:]]) == [SUCCESS] * 2
    end.join(timeout=10)
    assert not end.is_alive()
    assert pixels_of(landed(workspace)) == pixels_of(sent)


def others() -> list[str]:
    """Threads of associations."""
    return [thread.name for thread in threading.enumerate() if "Acceptor" in thread.name]


def until(true, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
