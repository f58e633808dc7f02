import os
import re
from datetime import date
from pathlib import Path

import pytest

from ml.contract.errors import InputError, NotFound, NothingToIngest
from ml.data.deidentify import Deidentifier
from ml.data.fingerprints import Fingerprints
from ml.data.landing import contents, discover, source_folder
from ml.data.results import IncomingImage
from ml.data.storage import Place, write_bytes
from tests.unit.data.home import BY

LABELS = ["normal", "benign", "malignant"]


@pytest.fixture
def landing(anywhere: Place) -> Place:
    """`<label>/*` with two files each, in a folder and in a bucket."""
    for label in LABELS:
        for number in range(2):
            write_bytes(anywhere / label / f"{number}.png", f"{label}{number}".encode())
    return anywhere


def _find(
    source: Place, known: Fingerprints | None = None, by: Deidentifier = BY
) -> list[IncomingImage]:
    return list(discover(source, labels=LABELS, by=by, known=known or Fingerprints()))


def _csv(folder: Place, *lines: str) -> Place:
    path = folder / "images.csv"
    write_bytes(path, ("\n".join(lines) + "\n").encode())
    return path


def test_a_folder_per_label_gives_labels_and_relative_paths(landing: Place) -> None:
    found = _find(landing)
    assert len(found) == 6
    assert {image.path.split("/")[0]: image.label for image in found} == {
        label: label for label in LABELS
    }


def test_files_come_in_the_same_order_every_time_and_one_by_one(landing: Place) -> None:
    paths = [image.path for image in _find(landing)]
    assert paths == sorted(paths)
    assert next(discover(landing, labels=LABELS, by=BY)).path == paths[0]


def test_an_unknown_folder_gives_a_label_that_does_not_tell_its_name(landing: Place) -> None:
    write_bytes(landing / "patient Doe" / "a.png", b"x")
    (image,) = [item for item in _find(landing) if "Doe" in item.path]
    assert image.label is not None
    assert re.fullmatch("unlisted-[0-9a-f]{6}", image.label)


def test_a_loose_file_has_no_label(landing: Place) -> None:
    write_bytes(landing / "loose.png", b"x")
    assert {image.path: image.label for image in _find(landing)}["loose.png"] is None


def test_what_lies_in_unlabelled_has_no_label_however_deep(landing: Place) -> None:
    write_bytes(landing / "unlabelled" / "pacs" / "study" / "image.dcm", b"x")
    (image,) = [item for item in _find(landing) if item.label is None]
    assert image.path == "unlabelled/pacs/study/image.dcm"


def test_hidden_files_are_skipped(landing: Place) -> None:
    write_bytes(landing / "normal" / ".partial.png", b"x")
    write_bytes(landing / ".cohort.part" / "a.png", b"x")
    write_bytes(landing / "normal" / ".hidden" / "a.png", b"x")
    assert len(_find(landing)) == 6


@pytest.mark.parametrize("name", ["a b.png", "50%.png", "ä+?#1.png", "a'b&c.png"])
def test_names_are_taken_as_they_are(landing: Place, name: str) -> None:
    write_bytes(landing / "normal" / name, b"x")
    assert f"normal/{name}" in [image.path for image in _find(landing)]


def test_a_csv_gives_metadata_and_wins_over_folders(landing: Place) -> None:
    path = _csv(
        landing,
        "path,label,patient_id,study_id,date,site,scanner,age,sex,remark",
        "normal/0.png,benign, P1 ,S1,2024-05-31,north,,047Y,female,ignored",
    )
    (image,) = _find(landing)
    assert image == IncomingImage(
        path="normal/0.png",
        label="benign",
        patient=BY.patient("P1"),
        study=BY.uid("S1"),
        acquired_on=BY.date(date(2024, 5, 31), BY.patient("P1")),
        site="north",
        scanner=None,
        age=47,
        sex="F",
        fingerprint=image.fingerprint,
    )
    assert _find(path) == [image]
    assert source_folder(path) == source_folder(landing) == landing


def test_a_csv_with_a_byte_order_mark_is_read(landing: Place) -> None:
    write_bytes(landing / "images.csv", "\ufeffpath,label\r\nnormal/0.png,normal\r\n".encode())
    assert len(_find(landing)) == 1


def test_a_csv_without_label_column_is_refused_by_name(anywhere: Place) -> None:
    path = _csv(anywhere, "path,class", "a.png,normal")
    with pytest.raises(InputError, match=r"images\.csv lacks the column label"):
        _find(path)


def test_a_csv_in_another_encoding_is_refused_by_name(anywhere: Place) -> None:
    write_bytes(anywhere / "images.csv", "path,label\nä.png,normal\n".encode("latin-1"))
    with pytest.raises(InputError, match="cannot be read as CSV"):
        _find(anywhere)


def test_a_file_that_is_listed_twice_is_found_once(landing: Place) -> None:
    _csv(landing, "path,label", "normal/0.png,normal", "benign/0.png,benign", "normal/0.png,normal")
    assert [image.path for image in _find(landing)] == ["normal/0.png", "benign/0.png"]


def test_deliveries_with_their_own_lists_are_read_side_by_side(anywhere: Place) -> None:
    for name in ("first", "second"):
        write_bytes(anywhere / name / "images" / "a.png", name.encode())
        _csv(anywhere / name, "path,label", "images/a.png,normal", "images/lost.png,normal")
    found = _find(anywhere)
    assert [image.path for image in found] == [
        f"{folder}/images/{name}.png" for folder in ("first", "second") for name in ("a", "lost")
    ]
    assert len({image.fingerprint for image in found}) == 4


def test_known_files_are_skipped_until_they_change(landing: Place) -> None:
    known = Fingerprints(image.fingerprint for image in _find(landing))
    with pytest.raises(NothingToIngest, match="6 files were ingested before"):
        _find(landing, known)
    if isinstance(landing, Path):
        os.utime(landing / "normal" / "0.png", ns=(0, 1))
    else:
        write_bytes(landing / "normal" / "0.png", b"another picture, which may be as long")
    assert [image.path for image in _find(landing, known)] == ["normal/0.png"]


def test_an_empty_landing_zone_is_refused_with_what_to_do(anywhere: Place) -> None:
    write_bytes(anywhere / ".keep", b"")
    with pytest.raises(NothingToIngest, match="one of normal, benign, malignant") as refusal:
        _find(anywhere)
    assert str(anywhere) in refusal.value.message


def test_a_missing_source_is_named(anywhere: Place) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        _find(anywhere / "nowhere")


def test_a_listed_file_that_arrives_later_counts_as_new(anywhere: Place) -> None:
    path = _csv(anywhere, "path,label", "late.png,normal")
    known = Fingerprints([_find(path)[0].fingerprint])
    write_bytes(anywhere / "late.png", b"here")
    assert len(_find(path, known)) == 1


@pytest.mark.parametrize(
    "name", ["../outside.png", "/etc/hostname", ".", "a\\..\\b.png", "normal/0.png/x"]
)
def test_a_list_may_name_what_is_not_there(
    landing: Place, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    _csv(landing, "path,label", f"{name},normal")
    assert len(_find(landing)) == 1


def test_what_cannot_be_kept_is_counted_and_not_quoted(
    landing: Place, caplog: pytest.LogCaptureFixture
) -> None:
    _csv(
        landing,
        "path,label,patient_id,date,site,scanner,age",
        "normal/0.png,normal,P1,once,Doe^Jane,Sonora A1,old",
        "normal/1.png,normal,P2,2024-05-31,4711234,,40",
    )
    images = _find(landing)
    assert [image.site for image in images] == [None, None]
    assert "1 × age, 1 × date, 2 × site" in caplog.text
    assert "Doe" not in caplog.text


def test_a_fingerprint_cannot_be_guessed_from_a_path(landing: Place) -> None:
    (one, *_), (other, *_) = (_find(landing, by=by) for by in (BY, Deidentifier(b"another")))
    assert one.path == other.path
    assert one.fingerprint != other.fingerprint


def test_what_a_zone_holds_changes_with_every_file(landing: Place) -> None:
    before = contents(landing)
    assert before[0] == 6
    assert contents(landing) == before
    write_bytes(landing / "normal" / ".partial", b"x")
    assert contents(landing) == before
    write_bytes(landing / "new" / "deep" / "a.png", b"x")
    assert contents(landing)[0] == 7
    write_bytes(landing / "normal" / "0.png", b"longer than before")
    assert contents(landing)[1] != before[1]


def test_a_list_speaks_for_all_that_a_zone_holds(landing: Place) -> None:
    _csv(landing, "path,label", "normal/0.png,normal")
    listed = contents(landing)
    write_bytes(landing / "normal" / "more.png", b"x")
    assert contents(landing) == listed
    assert listed[0] == 1


def test_a_zone_that_does_not_exist_yet_holds_nothing(anywhere: Place) -> None:
    assert contents(anywhere / "later")[0] == 0
