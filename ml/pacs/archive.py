"""What is asked of an archive, whatever language it speaks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ml.contract.errors import Unavailable
from ml.pacs.names import SERIES_DESCRIPTION

# Objects about images rather than images.
_WITHOUT_PIXELS = frozenset({"SR", "KO", "PR", "DOC", "AU", "SEG", "RTSTRUCT", "RTPLAN", "RTDOSE"})


class NotGiven(Unavailable):
    """An archive that answers does not give one of its objects."""

    code = "not-given"


@dataclass(frozen=True, slots=True)
class Instance:
    """One object of an archive: the archive's name for it, and what the object says of itself."""

    name: str
    study_instance_uid: str
    sop_instance_uid: str
    modality: str
    series_description: str

    @property
    def is_image(self) -> bool:
        """Whether it may hold pixels that are not ours."""
        return self.modality not in _WITHOUT_PIXELS and not self._is_ours

    @property
    def is_report(self) -> bool:
        """Whether it is a report of ours."""
        return self.modality == "SR" and self._is_ours

    @property
    def _is_ours(self) -> bool:
        return self.series_description == SERIES_DESCRIPTION


class Archive(Protocol):
    """An archive's studies by its own names for them. Every call may raise `Unavailable`."""

    def instances(self, study: str) -> Iterator[Instance]:
        """The objects of a study.

        Raises:
            NotFound: the study is no longer there.
        """

    def file(self, instance: Instance) -> bytes:
        """An object as a DICOM file.

        Raises:
            NotFound: it is no longer there.
            ImageTooLarge: it has more bytes than are taken.
            NotGiven: the archive answers, but not with this object.
        """

    def store(self, file: bytes) -> None:
        """Put a DICOM file into the archive; one that is there already stays as it is.

        Raises:
            Unavailable: the archive does not take it, or not now.
        """


class Feed(Protocol):
    """Which studies became complete, each to be settled once; it remembers where it was.

    A study that gains objects later is given again. What a feed keeps names no patient.
    """

    def complete(self, at_most: int) -> Iterator[str]:
        """The archive's names of up to so many studies that are not settled yet.

        Raises:
            Unavailable: the archive does not answer.
        """

    def settle(self, study: str) -> None:
        """This study needs no further look."""

    def fail(self, study: str, *, ages: bool) -> None:
        """This study cannot be dealt with: it is given again after a pause.

        Args:
            ages: whether that is the study's own failure and brings its last try nearer.
        """

    def is_last_try(self, study: str) -> bool:
        """Whether it has itself been failing for so long that this attempt has to do."""
