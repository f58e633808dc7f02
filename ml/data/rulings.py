"""Rulings: images that a person lets in although an expectation says no."""

from collections.abc import Iterable

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ml.data.storage import PRIVATE_FILE, Place, found, write_bytes


class Ruling(BaseModel):
    """What was overruled for an image (sha256 of its pixels): codes of faults, by whom and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_id: str
    codes: list[str]
    by: str
    reason: str
    at: AwareDatetime


class Rulings:
    """A place `<image id>.json`; a later ruling on an image adds to an earlier one."""

    def __init__(self, root: Place) -> None:
        self.root = root

    def add(self, ruling: Ruling) -> None:
        """Keep a ruling."""
        earlier = self.on([ruling.image_id]).get(ruling.image_id)
        codes = sorted({*ruling.codes, *(earlier.codes if earlier else ())})
        content = ruling.model_copy(update={"codes": codes}).model_dump_json(indent=2)
        write_bytes(self._file(ruling.image_id), content.encode(), mode=PRIVATE_FILE)

    def on(self, image_ids: Iterable[str]) -> dict[str, Ruling]:
        """Those of the images on which there is a ruling."""
        known = {path.stem for path in found(self.root, "*.json")}
        return {
            image_id: Ruling.model_validate_json(self._file(image_id).read_bytes())
            for image_id in known.intersection(image_ids)
        }

    def _file(self, image_id: str) -> Place:
        return self.root / f"{image_id}.json"
