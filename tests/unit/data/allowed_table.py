"""The tables of `docs/deidentification.md`, from the allow-list itself.

`python -m tests.unit.data.allowed_table --write` renews them.
"""

import re
import sys
from pathlib import Path

from ml.data.dicom_allowed import GROUPS, REPLACED, AllowList

PAGE = Path(__file__).resolve().parents[3] / "docs" / "deidentification.md"
_MOST_TERMS = 9


def kept_table() -> str:
    """Group, reason and attributes, as Markdown."""
    rows = [f"| {one.title} | {one.reason} | {_attributes(one.allowed)} |" for one in GROUPS]
    return "\n".join(["| what | why it stays | attributes |", "|---|---|---|", *rows])


def replaced_table() -> str:
    """Attribute and what stands in its place, as Markdown."""
    rows = [f"| {keyword} | {text} |" for keyword, text in REPLACED.items()]
    return "\n".join(["| attribute | becomes |", "|---|---|", *rows])


def tables_in(page: str) -> dict[str, str]:
    """Name → table, of those between `<!-- table NAME -->` and `<!-- end -->`."""
    return dict(re.findall(r"<!-- table (\w+) -->\n(.*?)\n<!-- end -->", page, re.DOTALL))


def _attributes(allow: AllowList) -> str:
    return ", ".join(_attribute(keyword, allow) for keyword in allow)


def _attribute(keyword: str, allow: AllowList) -> str:
    allowed = allow[keyword]
    if allowed.items:
        return f"{keyword} ({_attributes(allowed.items)})"
    if not allowed.terms:
        return keyword
    terms = sorted(allowed.terms)
    told = ", ".join(terms) if len(terms) <= _MOST_TERMS else f"{len(terms)} standard terms"
    return f"{keyword} ({told})"


def main() -> None:
    """Renew the page's tables."""
    if sys.argv[1:] != ["--write"]:
        raise SystemExit(__doc__)
    page = PAGE.read_text()
    for name, table in (("kept", kept_table()), ("replaced", replaced_table())):
        page = re.sub(
            rf"(<!-- table {name} -->\n).*?(\n<!-- end -->)",
            lambda found, table=table: found[1] + table + found[2],
            page,
            flags=re.DOTALL,
        )
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
