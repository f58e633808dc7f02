"""What hostile and enormous images cost a real server process in memory."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import HTJ2KLossless, JPEGBaseline8Bit

from tests.fakes.dicom_files import dicom_file
from tests.serving.hostile_files import HOSTILE
from tests.serving.images import encoded, png
from tests.serving.server_process import ServerProcess

WORKERS, SIDE = 2, 2000
BYTES_PER_PIXEL = 40  # as the settings promise
ELSEWHERE = 60 * 2**20  # uploads, forms, records, fragments

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"
)


def enormous() -> dict[str, bytes]:
    """Images of as many pixels as are allowed, of every kind that is unpacked differently."""
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8))
    colour = np.asarray(Image.merge("RGB", [grey, grey.rotate(90), grey]))
    deep = np.asarray(grey, np.uint16) * 16
    return {
        "grey": encoded(grey, compress_level=1),
        "colour": encoded(Image.merge("RGB", [grey, grey.rotate(90), grey]), compress_level=1),
        "alpha": encoded(Image.merge("RGBA", [grey] * 4), compress_level=1),
        "palette": encoded(grey.convert("P"), compress_level=1),
        "16 bits": encoded(Image.fromarray(np.asarray(grey, np.uint16) * 256)),
        "floats": encoded(Image.fromarray(np.asarray(grey, np.float32)), "TIFF"),
        "cmyk": encoded(Image.merge("CMYK", [grey] * 4), "JPEG"),
        "dicom, windowed": dicom_file(deep, bits=12, WindowCenter=2000, WindowWidth=3000),
        "dicom, luminance": dicom_file(colour, PhotometricInterpretation="YBR_FULL"),
        "dicom, jpeg 2000": dicom_file(colour, syntax=HTJ2KLossless),
        "dicom, jpeg": dicom_file(colour, syntax=JPEGBaseline8Bit),
    }


def peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(
        1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")
    )


def test_memory_stays_under_the_promised_bound(tmp_path, tiny_bundle):
    environment = {
        "VIGIE_ENGINE": "onnxruntime",
        "VIGIE_WORKERS": str(WORKERS),
        "VIGIE_MAX_PIXELS": str(SIDE * SIDE),
    }
    files = [data for data, _ in HOSTILE.values()] + 2 * list(enormous().values())
    with (
        ServerProcess(tmp_path, "--bundle", str(tiny_bundle), environment=environment) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        server.wait_until_ready()

        def ask(data: bytes) -> int:
            return client.post("/predict", files={"file": data}).status_code

        ask(png())
        before = peak_bytes(server.pid)
        with ThreadPoolExecutor(4) as clients:
            statuses = list(clients.map(ask, files))
        grown = peak_bytes(server.pid) - before
        assert ask(png()) == 200
    assert statuses[: len(HOSTILE)] == [status for _, status in HOSTILE.values()]
    assert set(statuses[len(HOSTILE) :]) == {200}
    assert grown < WORKERS * BYTES_PER_PIXEL * SIDE * SIDE + ELSEWHERE
    # The bound is not so wide that nothing could pass it.
    assert grown > 10 * SIDE * SIDE
