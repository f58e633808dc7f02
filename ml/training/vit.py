"""A compact Vision Transformer (Dosovitskiy et al. 2021) that tells where it looked."""

from typing import Any

import keras
from keras import layers, ops

from ml.training.exportable import gelu

PATCH = 16
_WIDTH = 192
_HEADS = 3
_DEPTH = 6
_LEARNED_GRID = 14  # 224 pixels of 16 a patch
_EPSILON = 1e-6


class PositionEmbedding(layers.Layer):
    """Add a learned vector per position.

    The weights cover a grid of 14×14 and are interpolated to the input's, so that they fit any
    image size and move between sizes.
    """

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the weights for maps of (n, rows, columns, width)."""
        self.embedding = self.add_weight(
            shape=(1, _LEARNED_GRID, _LEARNED_GRID, input_shape[-1]),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="embedding",
        )

    def call(self, maps: keras.KerasTensor) -> keras.KerasTensor:
        """(n, rows, columns, width) → the same shape."""
        _, rows, columns, _ = maps.shape
        if (rows, columns) == (_LEARNED_GRID, _LEARNED_GRID):
            return maps + self.embedding
        return maps + ops.image.resize(
            self.embedding, (rows, columns), interpolation="bilinear", data_format="channels_last"
        )


class SelfAttention(layers.Layer):
    """Multi-head self-attention that also gives its attention matrix, averaged over heads.

    Keras's layer computes the same through einsum; convolutions by one pixel have int8 kernels.
    """

    def __init__(self, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the weights for maps of (n, rows, columns, width)."""
        width = input_shape[-1]
        self.inwards = layers.Conv2D(3 * width, 1, name="inwards")
        self.inwards.build(input_shape)
        self.outwards = layers.Conv2D(width, 1, name="outwards")
        self.outwards.build(input_shape)

    def call(self, maps: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """(n, rows, columns, width) → the same shape, and (n, t, t) whose rows sum to 1."""
        _, rows, columns, width = maps.shape
        count, depth = rows * columns, width // self.heads
        split = ops.reshape(self.inwards(maps), (-1, count, 3, self.heads, depth))
        queries, keys, values = ops.unstack(ops.transpose(split, (2, 0, 3, 1, 4)), axis=0)
        scores = ops.matmul(queries * depth**-0.5, ops.transpose(keys, (0, 1, 3, 2)))
        attention = ops.softmax(scores, axis=-1)
        mixed = ops.transpose(ops.matmul(attention, values), (0, 2, 1, 3))
        joined = ops.reshape(mixed, (-1, rows, columns, width))
        return self.outwards(joined), ops.mean(attention, axis=1)

    def get_config(self) -> dict[str, Any]:
        """What it was made with."""
        return super().get_config() | {"heads": self.heads}


class Rollout(layers.Layer):
    """One layer's share in attention rollout (Abnar & Zuidema 2020).

    A residual block passes on half its input and half of what it attended to.
    """

    def call(
        self, attention: keras.KerasTensor, before: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """(n, t, t), and the same of all layers before → (n, t, t); rows still sum to 1."""
        if before is None:
            return 0.5 * (attention + ops.eye(attention.shape[-1]))
        return 0.5 * (ops.matmul(attention, before) + before)


def vision_transformer(height: int, width: int) -> keras.Model:
    """Pre-norm blocks on patches of 16 pixels; 2.8 million weights.

    Images whose sides are no multiple of 16 are padded. Outputs: the last tokens as maps (n, rows,
    columns, 192); the rollout (n, t, t), whose row i says from which patches token i came.
    """
    images = keras.Input((height, width, 3))
    maps = layers.Conv2D(_WIDTH, PATCH, strides=PATCH, padding="same", name="patches")(images)
    maps = PositionEmbedding(name="positions")(maps)
    rollout = None
    for number in range(_DEPTH):
        block = f"block_{number}"
        normed = layers.LayerNormalization(epsilon=_EPSILON, name=f"{block}_norm_1")(maps)
        attended, attention = SelfAttention(_HEADS, name=f"{block}_attention")(normed)
        maps = layers.Add(name=f"{block}_add_1")([maps, attended])
        normed = layers.LayerNormalization(epsilon=_EPSILON, name=f"{block}_norm_2")(maps)
        hidden = layers.Conv2D(4 * _WIDTH, 1, activation=gelu, name=f"{block}_widen")(normed)
        narrowed = layers.Conv2D(_WIDTH, 1, name=f"{block}_narrow")(hidden)
        maps = layers.Add(name=f"{block}_add_2")([maps, narrowed])
        rollout = Rollout(name=f"{block}_rollout")(attention, rollout)
    maps = layers.LayerNormalization(epsilon=_EPSILON, name="norm")(maps)
    return keras.Model(images, [maps, rollout], name="backbone")


def roll_back(scores: keras.KerasTensor, rollout: keras.KerasTensor) -> keras.KerasTensor:
    """Carry each token's class scores back to the patches it came from.

    Args:
        scores: (n, rows, columns, classes), the head applied to every token.
        rollout: (n, t, t) with t = rows × columns.

    Returns:
        The same shape as `scores`. Rows of the rollout sum to 1, so the mean stays the same.
    """
    _, rows, columns, classes = scores.shape
    flat = ops.reshape(scores, (-1, rows * columns, classes))
    carried = ops.matmul(ops.transpose(rollout, (0, 2, 1)), flat)
    return ops.reshape(carried, (-1, rows, columns, classes))
