"""One frame's stored values, decoded only when its true size is what the header says."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import as_pixel_options, get_decoder
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import RLELossless

from ml.contract.dicom.layout import PixelLayout
from ml.contract.dicom.stream_jpeg import StreamSize, jpeg_size
from ml.contract.dicom.stream_jpeg2000 import bare_codestream, jpeg2000_size
from ml.contract.dicom.stream_rle import check_rle_length
from ml.contract.dicom.transfer_syntaxes import DECODERS, JPEG_FAMILY
from ml.contract.errors import UnreadableImage

Values = npt.NDArray[Any]


def read_frame(dataset: pydicom.Dataset, layout: PixelLayout, index: int) -> Values:
    """The stored values of one frame, (rows, columns) or (rows, columns, 3); YBR is RGB already.

    Only this frame is decoded.

    Raises:
        UnreadableImage: fewer pixels than the header says, or a compressed frame of another size
            than it says; nothing was decoded.
        Exception: whatever decoders raise on damaged data.
    """
    decoder = get_decoder(layout.syntax)
    if not layout.syntax.is_encapsulated:
        if len(dataset[layout.keyword].value) < get_expected_length(dataset):
            raise UnreadableImage(
                "The DICOM file holds fewer pixels than its header says.",
                remedy="Export it again from its source.",
            )
        values, _ = decoder.as_array(dataset, index=index, view_only=True)
    else:
        options = as_pixel_options(dataset, number_of_frames=1)
        stream = _checked(
            get_frame(
                dataset.PixelData,
                index,
                number_of_frames=layout.frames,
                extended_offsets=options.pop("extended_offsets", None),
            ),
            layout,
        )
        # What was checked is what is decoded; no other frame is kept meanwhile.
        del dataset.PixelData
        alone = encapsulate([stream], has_bot=False)
        del stream
        values, _ = decoder.as_array(
            alone,
            index=0,
            decoding_plugin=DECODERS[layout.syntax],
            pixel_keyword="PixelData",
            **options,
        )
    return np.asarray(values, dtype=values.dtype.newbyteorder("="))


def _checked(frame: bytes, layout: PixelLayout) -> bytes:
    """The stream to decode: decoders trust it, not the header whose size was checked."""
    try:
        if layout.syntax == RLELossless:
            # Twice, since a little padding is common.
            values = layout.rows * layout.columns * layout.samples
            check_rle_length(frame, 2 * values * layout.bits_allocated // 8)
            return frame
        if layout.syntax in JPEG_FAMILY:
            stream = frame
            size = jpeg_size(stream)
        else:
            stream = bare_codestream(frame)
            size = jpeg2000_size(stream)
        expected = StreamSize(layout.columns, layout.rows, layout.samples, size.precision)
        if size != expected or size.precision > layout.bits_allocated:
            raise ValueError("has another size than the header says")
    except ValueError as error:
        raise UnreadableImage(
            f"The DICOM image cannot be decoded: its compressed frame {error}.",
            remedy="Export it again, uncompressed (explicit VR little endian).",
        ) from error
    return stream
