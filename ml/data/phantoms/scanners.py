"""Made-up scanners: each shows the same tissue with its own size, gain, gamma and grain."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Scanner:
    """How a scanner turns echoes into grey levels.

    `height` and `width` are lowest and highest image sides in pixels; `gain` and
    `dynamic_range` are in dB; `grain` is the speckle's correlation length in pixels
    (axial, lateral).
    """

    name: str
    manufacturer: str
    height: tuple[int, int]
    width: tuple[int, int]
    gain: float
    gamma: float
    dynamic_range: float
    grain: tuple[float, float]

    def with_gain(self, decibel: float) -> "Scanner":
        """The same scanner after its gain changed."""
        return replace(self, gain=self.gain + decibel)


SCANNERS: tuple[Scanner, ...] = (
    Scanner("Sonora A1", "Phantom Medical", (160, 180), (170, 200), 0.0, 1.0, 55.0, (0.8, 1.3)),
    Scanner("Echelle 500", "Phantom Medical", (160, 200), (180, 220), 2.0, 1.15, 60.0, (0.7, 1.0)),
    Scanner("Lumen X", "Imaginary Imaging", (180, 200), (200, 240), -2.0, 0.9, 50.0, (1.0, 1.6)),
)
NEW_SCANNER = Scanner(
    "Vireo 9", "Newcomer Devices", (160, 180), (160, 180), 9.0, 0.6, 75.0, (1.8, 2.6)
)
