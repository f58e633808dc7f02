"""Parameters as a person reads them in a table."""

from ml.params.section import Section


def parameter_rows(section: Section) -> dict[str, str]:
    """Dotted name → value; nothing for what is empty."""
    return _rows(section.model_dump(mode="json"))


def _rows(params: dict[str, object]) -> dict[str, str]:
    rows: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            rows |= {f"{name}.{key}": inner for key, inner in _rows(value).items()}
        elif isinstance(value, list):
            rows[name] = ", ".join(map(str, value))
        else:
            rows[name] = (
                {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
            )
    return {name: text for name, text in rows.items() if text}
