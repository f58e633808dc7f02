"""Bundles that must never answer, by what is wrong with them."""

from pathlib import Path

from ml.contract.bundle import MODEL_FILE
from tests.fakes.tiny_bundle import write_tiny_bundle

FAULTS = (
    "altered",
    "half copied",
    "of another schema",
    "answers with NaN",
    "fails its golden answers",
    "of other preprocessing",
)
_KNOBS = {
    "answers with NaN": {"label_bias": {"benign": float("nan")}},
    "fails its golden answers": {"golden_offset": 0.1},
    "of other preprocessing": {"preprocessing_version": 99},
}


def write_broken_bundle(folder: Path, fault: str) -> Path:
    """Write a bundle with one of `FAULTS`; its run key is the folder's name."""
    write_tiny_bundle(folder, run_key=folder.name, reference_images=1, **_KNOBS.get(fault, {}))
    model, description = folder / MODEL_FILE, folder / "bundle.json"
    if fault == "altered":
        model.write_bytes(model.read_bytes() + b"x")
    elif fault == "half copied":
        model.unlink()
    elif fault == "of another schema":
        text = description.read_text()
        description.write_text(text.replace('"schema_version": 1', '"schema_version": 99'))
    return folder
