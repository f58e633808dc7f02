import os

from ml.telemetry.remembered import Remembered


def test_only_changed_files_are_read_again_and_gone_ones_are_forgotten(tmp_path):
    read = []

    def parse(content: bytes) -> str:
        read.append(content)
        return content.decode()

    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    remembered = Remembered(parse)
    assert remembered.read([one, two]) == {one: "1", two: "2"}
    assert remembered.read([one, two]) == {one: "1", two: "2"}
    assert read == [b"1", b"2"]
    two.write_text("22")
    os.utime(two, ns=(1, 1))
    assert remembered.read([two]) == {two: "22"}
    assert remembered.read([one, two]) == {one: "1", two: "22"}
    assert read == [b"1", b"2", b"22", b"1"]
