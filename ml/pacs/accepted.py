"""What the receiver agrees to take: image objects, in every encoding that is decoded here."""

from pydicom.uid import UID
from pynetdicom import register_uid
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import _STORAGE_CLASSES  # the only list there is

from ml.contract.dicom.transfer_syntaxes import DECODERS

# Retired (PS3.6, annex A), and still what older ultrasound devices send.
_RETIRED = {
    "RetiredUltrasoundMultiFrameImageStorage": "1.2.840.10008.5.1.4.1.1.3",
    "RetiredUltrasoundImageStorage": "1.2.840.10008.5.1.4.1.1.6",
}
for _keyword, _uid in _RETIRED.items():
    register_uid(_uid, _keyword, StorageServiceClass)


def image_classes() -> list[UID]:
    """The storage SOP classes of images: no reports, presentation states, waveforms or plans."""
    classes = {UID(uid) for uid in _STORAGE_CLASSES.values()}
    return sorted(uid for uid in classes if "Image Storage" in uid.name)


def transfer_syntaxes() -> list[UID]:
    """Those that are decoded here."""
    return list(DECODERS)
