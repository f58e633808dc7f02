import re

import pytest
from PIL import Image

from ml.evaluation.html_page import render_html


def test_figures_are_inside_the_page(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "roc.png")
    page = render_html("t", "![roc](roc.png)", tmp_path)
    (source,) = re.findall(r'src="([^"]+)"', page)
    assert source.startswith("data:image/png;base64,")


def test_a_figure_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape("roc.png")):
        render_html("t", "![roc](roc.png)", tmp_path)


def test_a_name_from_data_cannot_become_markup(tmp_path):
    page = render_html("<b>t</b>", "| a |\n|---|\n| <script>alert(1)</script> |", tmp_path)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<title>&lt;b&gt;t&lt;/b&gt;</title>" in page


def test_the_page_forbids_itself_to_load_or_run_anything(tmp_path):
    page = render_html("t", "text", tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "script-src" not in policy[1]


def test_an_interval_is_not_broken_over_two_lines_but_a_sentence_in_brackets_is(tmp_path):
    sentence = "(these many words are one sentence in brackets)"
    page = render_html("t", f"0.9 (0.85–0.95, n = 35) {sentence}", tmp_path)
    assert "(0.85\u2060–\u20600.95,\u00a0n\u00a0=\u00a035)" in page
    assert sentence in page


def test_a_wide_table_scrolls_by_itself(tmp_path):
    page = render_html("t", "| a |\n|---|\n| 1 |", tmp_path)
    assert re.search(r'<div class="table"><table>.*</table>\n</div>', page, re.DOTALL)
