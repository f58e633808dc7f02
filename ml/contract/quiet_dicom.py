"""Keeps pydicom from telling what it reads: its warnings quote values that identify a patient."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_NEVER = logging.CRITICAL + 1


@contextmanager
def quiet_dicom() -> Iterator[None]:
    """Within it, pydicom neither checks values against their type nor warns or logs.

    Its logger stays silent afterwards, since elements are parsed when they are first looked at.
    """
    import pydicom

    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    logger = logging.getLogger("pydicom")
    if logger.level != _NEVER:  # setting it forgets what all loggers know of their levels
        logger.setLevel(_NEVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
