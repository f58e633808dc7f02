"""Markdown → one HTML file that loads nothing from anywhere: figures are inside it."""

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

# The page asks the browser itself to let nothing in from outside and to run nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
# An interval is read as a whole, so it is not broken over two lines.
_BRACKET = re.compile(r"\([^()]{1,28}\)")
_HARD_SPACE, _JOINER = "\u00a0", "\u2060"
_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #1f2933; background: #fff; margin: 0; }
main { max-width: 64rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; padding-top: .9rem;
     border-top: 1px solid #e4e7eb; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
h4 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p, ul { margin: .6rem 0; max-width: 46rem; }
code { font-size: .88em; background: #f3f5f7; padding: .1em .3em; border-radius: 3px;
       overflow-wrap: anywhere; }
pre { background: #f3f5f7; padding: .8rem 1rem; border-radius: 4px; overflow-x: auto; }
pre code { padding: 0; background: none; }
blockquote { margin: 1rem 0; padding: .1rem 1rem; border-left: 4px solid #e69f00;
             background: #fff8ea; }
.table { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem 1.1rem .35rem 0;
         border-bottom: 1px solid #e4e7eb; }
th { color: #52606d; font-weight: 600; }
td code { white-space: nowrap; overflow-wrap: normal; }
img { max-width: 100%; height: auto; }
p:has(> img) { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start;
               max-width: none; margin: 1.2rem 0 .4rem; }
p > img { min-width: 0; }
p > img:not(:only-child) { flex: 1 1 20rem; max-width: min(100%, 34rem); }
p > em:only-child { font-size: .9rem; color: #52606d; }
"""


def render_html(title: str, markdown: str, figures: Path, style: str = "") -> str:
    """A self-contained page of a Markdown text.

    HTML inside the text is shown as text, so a name taken from data cannot become markup.

    Args:
        figures: folder of the PNG files that the text's images name.
        style: further CSS.

    Raises:
        FileNotFoundError: the text names a figure that is not there.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        for part in token.children or ():
            if part.type == "image":
                part.attrs["src"] = png_uri((figures / str(part.attrs["src"])).read_bytes())
            elif part.type == "text":
                part.content = _BRACKET.sub(_unbroken, part.content)
    parser.add_render_rule("table_open", _open_table)
    parser.add_render_rule("table_close", _close_table)
    return page(title, parser.renderer.render(tokens, parser.options, {}), style)


def page(title: str, body: str, style: str = "") -> str:
    """The frame of a page around a body that is HTML already."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}{style}</style></head>\n"
        f"<body><main>\n{body}</main></body></html>\n"
    )


def png_uri(content: bytes) -> str:
    """A PNG file as a data URI."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def _unbroken(bracket: re.Match[str]) -> str:
    return bracket.group().replace(" ", _HARD_SPACE).replace("–", f"{_JOINER}–{_JOINER}")


def _open_table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    # A wide table scrolls by itself, so that a phone does not scroll the whole page sideways.
    return '<div class="table">' + renderer.renderToken(tokens, index, options, env)


def _close_table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    return renderer.renderToken(tokens, index, options, env) + "</div>\n"
