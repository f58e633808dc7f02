"""What is kept of a person: keyed pseudonyms, shifted dates, age in years, sex; nothing else."""

import hashlib
import hmac
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

_PSEUDONYM_HEX, _MARK_HEX = 24, 32
_LONGEST_SHIFT = 5 * 365 + 1
_AGE_PATTERN = re.compile(r"^(\d{1,3})([YMWD]?)$")
_UNITS_PER_YEAR = {"Y": 1, "": 1, "M": 12, "W": 52, "D": 365}
_OLDEST = 90
_SEXES = frozenset({"F", "M", "O"})
_LONGEST_NAME = 64
_LOOKS_LIKE_AN_IDENTIFIER = re.compile(
    r"[\^@\\]"  # a DICOM person's name, an address of mail, several values in one
    r"|\d{6}"  # a number of a patient, a case or an order
    r"|\d[-./ ]\d{1,2}[-./ ]\d"  # a date
    r"|\d+(\.\d+){3}"  # a UID or a network address
)
_DATE_PATTERN = re.compile(r"^(\d{4})[-.]?(\d{2})[-.]?(\d{2})")


@dataclass(frozen=True)
class Deidentifier:
    """Replaces what names a patient by values that only the key's holder can link back.

    Equal values give equal replacements at every site and on every day; another key gives others,
    so that two installations' data cannot be linked. Each kind of value has a key of its own,
    derived as in one step of HKDF-Expand (RFC 5869).
    """

    key: bytes = field(repr=False)

    def patient(self, patient_id: str) -> str:
        """A patient's pseudonym: 96 bits of HMAC-SHA256, hex. Surrounding blanks do not count."""
        return pseudonym(patient_id, self.key)

    def uid(self, uid: str) -> str:
        """A DICOM UID in place of another: `2.25.` and a UUID (PS3.5, B.2), from the HMAC."""
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', uid.strip())[:16], version=4).int}"

    def date(self, when: date, patient: str | None) -> date | None:
        """The date, moved back by the patient's number of days, 1 to 1826.

        The days between two dates of a patient stay what they are. Without a patient, or before
        there are dates, None.

        Args:
            patient: a pseudonym.
        """
        if not patient:
            return None
        drawn = int.from_bytes(self._digest("dates", patient)[:8], "big")
        try:
            return when - timedelta(days=1 + drawn % _LONGEST_SHIFT)
        except OverflowError:
            return None

    def fingerprint(self, text: str) -> str:
        """A name for a file that cannot be guessed from its path: HMAC-SHA256, hex."""
        return self._digest("fingerprint", text).hex()

    def mark(self, *values: str) -> str:
        """Shows that values were written by a holder of the key: 128 bits of HMAC-SHA256, hex."""
        return self._digest("mark", "\0".join(values)).hex()[:_MARK_HEX]

    def _digest(self, purpose: str, text: str) -> bytes:
        derived = hmac.digest(self.key, f"vigie {purpose}\x01".encode(), "sha256")
        return hmac.digest(derived, text.encode(errors="surrogatepass"), "sha256")


def pseudonym(patient_id: str, key: bytes) -> str:
    """A name for a patient that only the key's holder can link back: HMAC-SHA256, 96 bits, hex.

    Equal identifiers give equal pseudonyms at every site, so that a patient seen at two sites
    stays one group.
    """
    digest = hmac.new(key, patient_id.strip().encode(errors="surrogatepass"), hashlib.sha256)
    return digest.hexdigest()[:_PSEUDONYM_HEX]


def parse_age(text: str | None) -> int | None:
    """Years from `47` or a DICOM age string (`047Y`, `006M`); None if it is neither.

    Ages of 90 and over are one group, as in the Safe Harbor rule (45 CFR 164.514(b)(2)).
    """
    match = _AGE_PATTERN.match((text or "").strip().upper())
    if match is None:
        return None
    return min(int(match[1]) // _UNITS_PER_YEAR[match[2]], _OLDEST)


def age_at(birth: date | None, when: date | None) -> int | None:
    """Completed years between two dates, the oldest as one group; None where one is unknown."""
    if birth is None or when is None or when < birth:
        return None
    years = when.year - birth.year - ((when.month, when.day) < (birth.month, birth.day))
    return min(years, _OLDEST)


def parse_sex(text: str | None) -> str | None:
    """`F`, `M` or `O`; None for anything else."""
    first = (text or "").strip().upper()[:1]
    return first if first in _SEXES else None


def parse_name(text: str | None, *, nobody: Iterable[str] = ()) -> str | None:
    """A short name of a site, a device or a label; None if it may identify a person.

    Refused are more than 64 characters, unprintable ones, `^`, `@`, backslashes, six digits in a
    row, dates, UIDs, and every text that shares a word of three letters or more with `nobody`.
    A person's plain name cannot be told from a site's: who lists sites must not list persons.

    Args:
        nobody: values known to name the patient or another person.
    """
    name = " ".join((text or "").split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        return None
    if _LOOKS_LIKE_AN_IDENTIFIER.search(name):
        return None
    folded = name.casefold()
    words = (word for value in nobody for word in re.split(r"[\W_]+", value.casefold()))
    return None if any(len(word) > 2 and word in folded for word in words) else name


def parse_date(text: str | None) -> date | None:
    """A day from `2024-05-31`, a DICOM date or date-time (`20240531…`); None if it is neither."""
    match = _DATE_PATTERN.match((text or "").strip())
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None
