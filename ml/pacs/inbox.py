"""Objects of the DICOM network → files of the landing zone, de-identified in memory."""

import io
import logging
from collections.abc import Callable
from pathlib import Path

from pydicom import Dataset

from ml.contract.dicom.file import read_image_object
from ml.contract.errors import InputError, UnreadableImage
from ml.contract.quiet_dicom import quiet_dicom
from ml.data.storage import PRIVATE_FILE, Place, found, reaching, sweep, sync, write_bytes
from ml.pacs.names import MANUFACTURER, SERIES_DESCRIPTION

logger = logging.getLogger(__name__)

FOLDER = "pacs"
"""Of the landing zone's unlabelled images, where those of the network lie."""


class OwnObject(InputError):
    """A capture that Vigie made itself."""

    code = "own-object"


class Inbox:
    """A place `<study>/<instance>.dcm` under keyed names. Safe for many writers at once.

    The same object always has the same name, so what is sent again is there once.
    """

    def __init__(
        self,
        root: Place,
        *,
        deidentify: Callable[[Dataset], Dataset],
        name: Callable[[str], str],
        max_bytes: int,
    ) -> None:
        """What killed writers left half-written is swept up.

        Args:
            root: a folder, made when the first object comes, or a bucket's prefix.
            deidentify: what a data set becomes before it is written; may refuse with `InputError`.
            name: UID → keyed name.
            max_bytes: most that a deflated object may inflate to.
        """
        self.root = root
        self._deidentify = deidentify
        self._name = name
        self._max_bytes = max_bytes
        for study in found(root, "*") if isinstance(root, Path) else ():
            sweep(study)

    def holds(self, study_uid: str, instance_uid: str) -> bool:
        """Whether this object has landed before.

        Raises:
            Unavailable: a bucket does not answer.
        """
        with reaching():
            return self._path(study_uid, instance_uid).is_file()

    def put(self, file: bytes) -> bool:
        """Land one DICOM file, durably; returns whether it brought anything new.

        What came under the same UID before is replaced where it differs.

        Raises:
            UnreadableImage: not a DICOM file that can be read to its end.
            NoPixelData, EncapsulatedDocument, DeflateBomb: as `read_image_object`.
            OwnObject: it is a capture of ours.
            InputError: de-identification refuses it.
            Unavailable, OSError: it cannot be written now; nothing half-written stays.
        """
        try:
            with quiet_dicom():
                dataset = self._read(file)
                target = self._path(str(dataset.StudyInstanceUID), str(dataset.SOPInstanceUID))
                content = _write(self._deidentify(dataset))
        except InputError:
            raise
        except Exception as error:  # pydicom raises many types on damaged files
            # The cause would quote the header.
            raise UnreadableImage(
                f"The DICOM object cannot be read ({type(error).__name__}).",
                remedy="Export it again from its source.",
            ) from None
        with reaching():
            is_new = not target.is_file() or target.read_bytes() != content
            if is_new:
                write_bytes(target, content, mode=PRIVATE_FILE)
            elif isinstance(target, Path):
                sync(target.parent)  # another writer may only just have put it there
        return is_new

    def _read(self, file: bytes) -> Dataset:
        dataset = read_image_object(file, self._max_bytes)
        for name in ("StudyInstanceUID", "SOPInstanceUID"):
            if not dataset.get(name):
                raise UnreadableImage(
                    f"The DICOM object has no {name}.", remedy="Export it again from its source."
                )
        ours = dataset.get("SeriesDescription") == SERIES_DESCRIPTION
        if ours or dataset.get("Manufacturer") == MANUFACTURER:
            raise OwnObject("The DICOM object was made by Vigie.", remedy="Do not send it back.")
        return dataset

    def _path(self, study_uid: str, instance_uid: str) -> Place:
        return self.root / self._name(study_uid) / f"{self._name(instance_uid)}.dcm"


def _write(dataset: Dataset) -> bytes:
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()
