"""Coverage-guided fuzzing of `decode`: `python -m tests.fuzz.decoding [SECONDS]`.

Any exception that `decode` does not declare, any result that breaks its promise, and any input that
takes more than `_TIMEOUT_SECONDS` or `_RSS_MB` ends the run with a code other than zero and leaves
the input in `var/fuzz/`.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "pydicom", "ml.contract"]):
    from ml.contract.decoding import DecodeLimits, decode

from ml.contract.errors import ImageTooLarge, UnreadableImage, UnsupportedImage
from tests.fuzz.seeds import SEEDS

_FOLDER = Path("var/fuzz")
_LIMITS = DecodeLimits(max_bytes=2**16, max_pixels=2**18, frames="middle")
_TIMEOUT_SECONDS = 20
_RSS_MB = 1024


def decode_or_refuse(data: bytes) -> None:
    """Decode; only the declared errors may pass, and pixels keep the documented form."""
    try:
        pixels = decode(data, _LIMITS).pixels
    except (ImageTooLarge, UnreadableImage, UnsupportedImage):
        return
    assert pixels.dtype == "uint8"
    assert pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    assert 0 < pixels.shape[0] * pixels.shape[1] <= _LIMITS.max_pixels


def main() -> None:
    """Fuzz for as many seconds as the first argument says."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    corpus = _FOLDER / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (corpus / name).write_bytes(data)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={_LIMITS.max_bytes}",
        f"-timeout={_TIMEOUT_SECONDS}",
        f"-rss_limit_mb={_RSS_MB}",
        f"-artifact_prefix={_FOLDER}/",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *options], decode_or_refuse)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
