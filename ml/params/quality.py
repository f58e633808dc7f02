"""What an incoming image and a batch must be like; read by the suites in `expectations/`."""

from typing import Literal

from pydantic import Field

from ml.params.section import Section


class QualityParams(Section):
    """Thresholds that a site tunes; those that no site should need to stand in the suites.

    - `unlabelled`: images without a label are kept and wait for one, or are rejected.
    - `colour`: whether colour is a fault, as in images that are grey by nature, or kept unremarked.
    - `max_aspect`: the longer side in multiples of the shorter.
    - `min_bits`: bits stored for a grey level.
    - `min_sharpness`: variance of the Laplacian on at most 256 pixels a side; less is a blur.
    - `max_colourfulness`: mean difference between colour channels, in grey levels, from which on
      an image is warned of as coloured, unless colour is kept.
    - `max_class_mix_distance`: total variation distance of a batch's or a dataset's class shares
      from the last dataset's.
    - `site_silence_days`: days without an image after which a site that delivered is missed.
    - `quarantine_days`: days for which a quarantined file's content is kept after it was last seen.
    """

    unlabelled: Literal["keep", "reject"]
    colour: Literal["keep", "reject"]
    max_aspect: float = Field(ge=1)
    min_bits: int = Field(ge=1, le=16)
    min_sharpness: float = Field(ge=0)
    max_colourfulness: float = Field(ge=0)
    max_class_mix_distance: float = Field(gt=0, le=1)
    site_silence_days: int = Field(ge=1)
    quarantine_days: int = Field(ge=1)
