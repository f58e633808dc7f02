import keras
import numpy as np
import pytest

from ml.contract.errors import DiskFull
from ml.training.fit import train_member
from ml.training.loop import Progress
from ml.training.resume import Checkpoint
from ml.training.row_cache import RowCache
from ml.training.whole_file import whole_file
from tests.fakes.full_disk import no_room_beyond
from tests.unit.training.examples import LABELS, PARAMS, SPEC, small_data

ROOM = 200_000


def test_a_file_appears_at_the_end(tmp_path):
    path = tmp_path / "new" / "file"
    with whole_file(path, 3) as partial:
        partial.write_bytes(b"abc")
        assert not path.exists()
    assert path.read_bytes() == b"abc"


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "member"
    folder.mkdir()
    (folder / "old").touch()
    with whole_file(folder, 0) as partial:
        partial.mkdir()
        (partial / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["member", "new"]


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def fail():
        with whole_file(path, 0) as partial:
            partial.write_bytes(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"file": b"before"}


def test_what_cannot_fit_is_refused_before_it_is_written(tmp_path):
    with (
        pytest.raises(DiskFull, match=r"file: 1099511627776\.0 MB are needed") as caught,
        whole_file(tmp_path / "file", 2**60),
    ):
        pytest.fail("nothing is to be written")
    assert caught.value.details["bytes"] == 2**60


@pytest.fixture
def full_disk():
    """A limit on the size of files: the kernel refuses the same writes as on a full disk."""
    with no_room_beyond(ROOM):
        yield


def write_rows(folder):
    blocks = (np.zeros((10, 1000), np.uint8) for _ in range(100))
    names = [str(number) for number in range(1000)]
    RowCache(folder).add("rows", names, blocks, shape=(1000,), dtype=np.uint8)


def write_checkpoint(folder):
    progress = Progress([keras.Variable(np.zeros((1000, 1000), np.float32))])
    Checkpoint(folder / "checkpoint.npz", "", progress, np.random.default_rng()).write([])


def write_trained_member(folder):
    params = PARAMS.model_copy(update={"head_epochs": 0, "epochs": 0})
    train_member(
        "cnn", data=small_data(), labels=LABELS, params=params, spec=SPEC, folder=folder / "cnn"
    )


@pytest.mark.parametrize("write", [write_rows, write_checkpoint, write_trained_member])
def test_a_disk_that_fills_up_is_named_and_nothing_half_written_stays(tmp_path, full_disk, write):
    with pytest.raises(DiskFull, match=f"no room for {tmp_path}"):
        write(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
