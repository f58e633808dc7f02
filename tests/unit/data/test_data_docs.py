import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ml.data.checkpoint import Line, SuiteRun
from ml.data.data_docs import write_data_docs

LINES = [
    Line("a", "blank image", "critical", "std values must be at least 3.", False, "2 of 9"),
    Line("b", "no patient", "warning", "patient values must never be null.", False, "1 of 7"),
    Line("c", "no site", "warning", "site_name values must never be null.", True, "0 of 7"),
    Line("d", "class mix", "warning", "less than 0.2", None, "too few datasets: 0, not 1"),
]


class Requests(HTMLParser):
    """Collects what a browser would load, and the page's text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.loaded += [names[name] or "" for name in ("src", "srcset", "data") if names.get(name)]
        if tag in {"link", "base", "script", "iframe"}:
            self.loaded.append(names.get("href") or tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(tmp_path: Path) -> str:
    written = write_data_docs(
        tmp_path / "docs" / "index.html",
        title="Batch 1",
        verdict="7 of 9 files accepted; 2 blank image.",
        files={"accepted": 7, "blank image": 2},
        lists={"Warnings": ["1 of 7 images: no patient"], "Nothing": []},
        ran=[SuiteRun("incoming_image", "row", LINES), SuiteRun("other", "batch", LINES[:1])],
    )
    return written.read_text()


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    assert Requests(page).loaded == []
    assert not re.search(r"@import|url\(|https?://", page)


def test_the_page_tells_the_verdict_and_every_expectation(page: str) -> None:
    text = Requests(page).text
    for told in ("Batch 1", "7 of 9 files accepted", "1 of 7 images: no patient", "2 of 9"):
        assert told in text
    assert "1 of 3 expectations of expectations/incoming_image.json hold." in text
    for mark in ("✗ fails", "! warns", "✓ holds", "– not judged"):
        assert mark in text
    assert "site_name values must never be null." in text
    assert "Nothing" not in text


def test_the_page_tells_what_a_failure_means(page: str) -> None:
    text = Requests(page).text
    assert "the image is rejected" in text
    assert "the batch is held" in text
    assert "a warning" in text
