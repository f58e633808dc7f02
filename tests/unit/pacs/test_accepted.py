from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SegmentationStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from ml.pacs.accepted import image_classes, transfer_syntaxes


def test_images_are_taken_old_ultrasound_too_and_reports_are_not():
    classes = image_classes()
    assert {UltrasoundImageStorage, UltrasoundMultiFrameImageStorage} <= set(classes)
    assert "1.2.840.10008.5.1.4.1.1.6" in classes
    assert not {BasicTextSRStorage, SegmentationStorage} & set(classes)
    assert all("Image Storage" in uid.name for uid in classes)


def test_an_encoding_is_agreed_upon_only_if_it_is_decoded():
    agreed = set(transfer_syntaxes())
    assert {
        ExplicitVRLittleEndian,
        RLELossless,
        JPEGBaseline8Bit,
        JPEG2000,
        JPEGLSLossless,
        JPEGLosslessSV1,
        HTJ2KLossless,
    } <= agreed
    assert MPEG2MPML not in agreed
