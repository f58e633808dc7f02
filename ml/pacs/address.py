"""Where the hospital's archive is, and how it is spoken to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ArchiveAddress:
    """One archive: an Orthanc by its REST interface, or any other by DICOMweb.

    `orthanc` and `dicomweb` are URLs, of which one is set; `credentials` are user and password,
    where it asks for them. `days` is how far back a study's date may lie to be found by DICOMweb.
    """

    orthanc: str | None = None
    dicomweb: str | None = None
    credentials: tuple[str, str] | None = None
    days: int = 7

    @property
    def is_set(self) -> bool:
        """Whether there is an archive."""
        return bool(self.orthanc or self.dicomweb)
