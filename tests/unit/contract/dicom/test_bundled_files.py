"""Golden facts of pydicom's own files, and the table that tells them."""

import json
import socket

import numpy as np
import pytest

from tests.unit.contract.dicom.bundled_files import (
    END,
    EXPECTED,
    PAGE,
    START,
    bundled_files,
    claims_of,
    facts_of,
    table,
)

_GOLDEN = json.loads(EXPECTED.read_text())
_LEVELS = 2  # by which lossy pictures may differ between processors and releases


def same(facts: dict[str, object], golden: dict[str, object]) -> bool:
    if "middle" in golden:
        return facts["refused"] == golden["refused"] and same(facts["middle"], golden["middle"])
    if "levels" not in golden:
        return facts == golden
    near = np.abs(np.array(facts["levels"]) - np.array(golden["levels"])).max() <= _LEVELS
    return bool(near) and facts["shape"] == golden["shape"]


def test_every_file_of_the_package_has_its_facts() -> None:
    assert bundled_files() == list(_GOLDEN)


@pytest.mark.parametrize("file", _GOLDEN)
def test_a_file_becomes_what_was_looked_at(file: str) -> None:
    assert same(facts_of(file), _GOLDEN[file])


def test_no_file_comes_from_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert bundled_files()


def test_many_kinds_of_pictures_are_among_them() -> None:
    kinds = {
        (claims.syntax, claims.photometric, claims.bits)
        for claims in map(claims_of, _GOLDEN)
        if claims.photometric
    }
    assert len(kinds) > 20


def test_the_page_tells_what_happens_today() -> None:
    written = PAGE.read_text().partition(START)[2].partition(END)[0].strip()
    assert written == table(), "python -m tests.unit.contract.dicom.bundled_files --write"
