"""Random views of training images. Validation and serving see images as they are."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ml.contract.decoding import Pixels
from ml.contract.preprocessing import to_input

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far views may differ from the image.

    `rotation_degrees` and `zoom` are symmetric bounds; `shift` is a share of the side; `gain` and
    `contrast` bound an additive and a multiplicative change on the −1…1 scale, as scanners differ.
    """

    rotation_degrees: float = 0.0
    zoom: float = 0.0
    horizontal_flip: bool = False
    shift: float = 0.0
    gain: float = 0.0
    contrast: float = 0.0


def augment(images: Pixels, augmentation: Augmentation, rng: np.random.Generator) -> Floats:
    """Draw one view of each image.

    Args:
        images: uint8, (n, height, width, channels).
        rng: the only source of randomness.

    Returns:
        float32, same shape, −1…1; what comes from outside the image is black.
    """
    count, height, width = images.shape[:3]
    inputs = to_input(images)
    if _moves_pixels(augmentation):
        inputs = tf.raw_ops.ImageProjectiveTransformV3(
            images=inputs,
            transforms=view_transforms(count, height, width, augmentation, rng),
            output_shape=(height, width),
            fill_value=-1.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        ).numpy()
    if augmentation.gain or augmentation.contrast:
        scale = 1 + rng.uniform(-augmentation.contrast, augmentation.contrast, (count, 1, 1, 1))
        offset = rng.uniform(-augmentation.gain, augmentation.gain, (count, 1, 1, 1))
        inputs = np.clip(inputs * scale + offset, -1, 1).astype(np.float32)
    return inputs


def view_transforms(
    count: int, height: int, width: int, augmentation: Augmentation, rng: np.random.Generator
) -> Floats:
    """Affine maps from output to input pixels: flip, rotate, zoom about the centre, then shift.

    Returns:
        float32, (count, 8): rows of a projective matrix without its last 1.
    """
    bound = np.radians(augmentation.rotation_degrees)
    angle = rng.uniform(-bound, bound, count)
    zoom = 1 / (1 + rng.uniform(-augmentation.zoom, augmentation.zoom, count))
    mirror = np.ones(count)
    if augmentation.horizontal_flip:
        mirror[rng.random(count) < 0.5] = -1
    shift = rng.uniform(-augmentation.shift, augmentation.shift, (2, count))
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    a, b = mirror * zoom * np.cos(angle), -mirror * zoom * np.sin(angle)
    d, e = zoom * np.sin(angle), zoom * np.cos(angle)
    c = centre_x - a * centre_x - b * centre_y + shift[0] * width
    f = centre_y - d * centre_x - e * centre_y + shift[1] * height
    zero = np.zeros(count)
    return np.stack([a, b, c, d, e, f, zero, zero], axis=1).astype(np.float32)


def _moves_pixels(augmentation: Augmentation) -> bool:
    return (
        augmentation.rotation_degrees > 0
        or augmentation.zoom > 0
        or augmentation.shift > 0
        or augmentation.horizontal_flip
    )
