"""A real server on a small bundle, and a real Chromium that looks at its page."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml.packaging.server_process import serving
from tests.fakes.tiny_bundle import LABELS, POLICY, write_tiny_bundle

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the page, whose model promises prediction sets."""
    policy = POLICY.model_copy(
        update={"conformal_error": 0.1, "conformal_quantiles": dict.fromkeys(LABELS, 0.7)}
    )
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("bundle"), policy=policy)
    work = tmp_path_factory.mktemp("server")
    with serving(bundle, work_folder=work, patience=60) as server:
        yield server.url


@pytest.fixture
def page(browser: "Browser", site: str) -> Iterator["Page"]:
    """The page, freshly opened; whatever the browser complains about fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    page.goto(site)
    yield page
    context.close()
    # The browser itself reports refused requests; the page shows those as problems.
    assert [text for text in complaints if "Failed to load resource" not in text] == []


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keeps a picture of a page or a part of it, where `--screenshots DIR` asks for them."""
    folder: Path | None = request.config.getoption("--screenshots")

    def take(name: str, seen: "Page | Locator", **options: Any) -> None:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            seen.screenshot(path=folder / f"{name}.png", **options)

    return take
