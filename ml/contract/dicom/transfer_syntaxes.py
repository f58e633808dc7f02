"""Which decoder reads which transfer syntax: one each, whatever else is installed."""

from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from ml.contract.dicom import imagecodecs_plugin as plugin

DECODERS: dict[UID, str] = {
    ImplicitVRLittleEndian: "",
    ExplicitVRLittleEndian: "",
    ExplicitVRBigEndian: "",
    DeflatedExplicitVRLittleEndian: "",
    RLELossless: "pydicom",
    JPEGBaseline8Bit: "pillow",
    **dict.fromkeys(sorted(plugin.DECODER_DEPENDENCIES), plugin.NAME),
}
"""Transfer syntax → pydicom's plugin for it; empty where pixels are not compressed."""

JPEG_FAMILY = frozenset({JPEGBaseline8Bit, *plugin.JPEG, *plugin.JPEG_LS})
"""Syntaxes whose frames are JPEG or JPEG-LS streams."""

for _syntax in plugin.DECODER_DEPENDENCIES:
    get_decoder(_syntax).add_plugin(plugin.NAME, (plugin.__name__, "decode_frame"))
