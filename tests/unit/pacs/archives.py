"""Archives that answer from a script, where a real one cannot be made to."""

from collections.abc import Callable

import httpx

from ml.pacs.dicomweb import DicomWeb
from ml.pacs.orthanc import Orthanc

Answer = Callable[[httpx.Request], httpx.Response]


def orthanc(answer: Answer, *, max_bytes: int = 1000) -> Orthanc:
    return _scripted(Orthanc("http://archive", None, max_bytes=max_bytes), answer)


def dicomweb(answer: Answer, *, max_bytes: int = 1000) -> DicomWeb:
    return _scripted(DicomWeb("http://archive", None, max_bytes=max_bytes), answer)


def _scripted(archive, answer):
    archive._client = httpx.Client(base_url="http://archive", transport=httpx.MockTransport(answer))
    return archive
