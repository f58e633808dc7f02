from hypothesis import given
from hypothesis import strategies as st

from ml.pacs.names import private_code, repeatable_uid


@given(st.text(min_size=1, max_size=200))
def test_any_label_makes_a_code_that_fits_its_fields(meaning):
    value, scheme, shown = private_code(meaning)
    assert 0 < len(value) <= 16
    assert scheme == "99VIGIE"
    assert len(shown) <= 64


@given(st.lists(st.text(max_size=20), max_size=4))
def test_uids_repeat_and_are_as_dicom_wants_them(sources):
    uid = repeatable_uid("report", sources)
    assert uid == repeatable_uid("report", sources)
    assert uid != repeatable_uid("capture", sources)
    assert len(uid) <= 64
    assert set(uid) <= set("0123456789.")
