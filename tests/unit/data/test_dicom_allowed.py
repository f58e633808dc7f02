from collections.abc import Iterator
from pathlib import Path

from pydicom.datadict import dictionary_is_retired, dictionary_VR, tag_for_keyword

from ml.data.dicom_allowed import ALLOWED, GROUPS, REPLACED, Allowed, AllowList
from tests.unit.data.allowed_table import PAGE, kept_table, replaced_table, tables_in

_TABLE = Path(__file__).parent / "confidentiality_profile.tsv"
_REPRESENTATIONS = {
    "number": {"US", "SS", "US or SS", "DS", "IS", "UL", "SL", "FD", "FL"},
    "bytes": {"OB", "OW", "OF", "OD", "OB or OW", "US or OW"},
    "term": {"CS", "LO"},
    "items": {"SQ"},
}


def _flat(allow: AllowList) -> Iterator[tuple[str, Allowed]]:
    for keyword, allowed in allow.items():
        yield keyword, allowed
        yield from _flat(allowed.items)


def _table() -> dict[int, str]:
    lines = (line.split("\t") for line in _TABLE.read_text().splitlines()[1:])
    return {int(tag.replace(",", ""), 16): action for tag, action in lines}


def test_the_standards_dictionary_knows_every_attribute_and_its_kind() -> None:
    for keyword, allowed in _flat(ALLOWED):
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        assert not dictionary_is_retired(tag), keyword
        assert dictionary_VR(tag) in _REPRESENTATIONS[allowed.kind], keyword
    assert all(tag_for_keyword(keyword) is not None for keyword in REPLACED)


def test_nothing_stays_that_the_basic_profile_removes_or_replaces() -> None:
    actions = _table()
    assert len(actions) > 600
    named = [keyword for keyword, _ in _flat(ALLOWED) if tag_for_keyword(keyword) in actions]
    assert named == []


def test_no_attribute_is_both_kept_and_replaced() -> None:
    assert not ALLOWED.keys() & REPLACED.keys()


def test_text_stays_only_where_all_it_can_say_is_listed() -> None:
    for keyword, allowed in _flat(ALLOWED):
        assert bool(allowed.terms) == (allowed.kind == "term"), keyword
        assert bool(allowed.items) == (allowed.kind == "items"), keyword
        assert all(len(term) <= 16 for term in allowed.terms), keyword


def test_every_group_says_why() -> None:
    assert all(group.title and group.reason.endswith(".") for group in GROUPS)
    keywords = [keyword for group in GROUPS for keyword in group.allowed]
    assert len(keywords) == len(set(keywords))


def test_the_page_shows_the_list_as_it_is() -> None:
    shown = tables_in(PAGE.read_text())
    assert shown == {"kept": kept_table(), "replaced": replaced_table()}
