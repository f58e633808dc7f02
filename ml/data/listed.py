"""What a delivery's list says of a file, as it may be kept: no real identifier."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date

from ml.data.deidentify import Deidentifier, parse_age, parse_date, parse_name, parse_sex

UNLISTED_LABEL = "unlisted-"
_DIGITS = 6

Row = Mapping[str, str | None]


class ListedMetadata:
    """Reads rows of a list and counts in `left_out` what could not be kept."""

    def __init__(self, labels: Collection[str], by: Deidentifier) -> None:
        self._labels = frozenset(labels)
        self._by = by
        self.left_out: Counter[str] = Counter()

    def keep(self, row: Row) -> dict[str, str | int | date | None]:
        """Label, patient, study, acquired_on, site, scanner, age and sex; None where unknown.

        Patient and study are pseudonyms, the date is shifted. A label outside the vocabulary may
        be a person's name: `unlisted-` and six keyed digits stand for it. A site or scanner that
        looks like an identifier is left out.
        """
        given = {column: (value or "").strip() for column, value in row.items() if column}
        patient_id, study_id = given.get("patient_id", ""), given.get("study_id", "")
        patient = self._by.patient(patient_id) if patient_id else None
        day = parse_date(given.get("date"))
        kept: dict[str, str | int | date | None] = {
            "age": parse_age(given.get("age")),
            "date": day,
            "site": parse_name(given.get("site"), nobody=[patient_id]),
            "scanner": parse_name(given.get("scanner"), nobody=[patient_id]),
        }
        self.left_out.update(
            column for column, value in kept.items() if value is None and given.get(column)
        )
        del kept["date"]
        return {
            **kept,
            "label": self._label(given.get("label", "")),
            "patient": patient,
            "study": self._by.uid(study_id) if study_id else None,
            "acquired_on": self._by.date(day, patient) if day else None,
            "sex": parse_sex(given.get("sex")),
        }

    def _label(self, label: str) -> str | None:
        if not label or label in self._labels:
            return label or None
        return UNLISTED_LABEL + self._by.mark("label", label)[:_DIGITS]
