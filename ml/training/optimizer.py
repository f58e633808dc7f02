"""Adam in one fused kernel per variable, and the schedule of its rate.

Keras's optimizers trace a dozen small operations per variable and make their slots inside the
first trace, which is then thrown away and traced again. For networks of hundreds of variables on
a CPU that costs more than an epoch.
"""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

_WARM_UP_SHARE = 0.08
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


def scheduled_rate(step: int, steps: int, peak: float) -> float:
    """Learning rate at `step` of `steps`: a linear warm-up, then a cosine down to nearly 0.

    Source: Loshchilov & Hutter, SGDR, ICLR 2017 (without restarts); Goyal et al. 2017 (warm-up).
    """
    warm_up = max(1, round(_WARM_UP_SHARE * steps))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


class FusedAdam:
    """Adam (Kingma & Ba 2015) over a fixed list of variables; slots exist before any trace."""

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self.variables = [variable.value for variable in variables]
        self._first = [_slot(variable) for variable in self.variables]
        self._second = [_slot(variable) for variable in self.variables]
        self._power_1 = tf.Variable(_BETA_1, trainable=False)
        self._power_2 = tf.Variable(_BETA_2, trainable=False)

    @property
    def state(self) -> list[tf.Variable]:
        """All that an interrupted training needs to go on with: moments and powers."""
        return [*self._first, *self._second, self._power_1, self._power_2]

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor) -> None:
        """Update all variables; called while a step is traced."""
        slots = zip(self.variables, self._first, self._second, gradients, strict=True)
        for variable, first, second, gradient in slots:
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=self._power_1,
                beta2_power=self._power_2,
                lr=rate,
                beta1=_BETA_1,
                beta2=_BETA_2,
                epsilon=_EPSILON,
                grad=gradient,
            )
        self._power_1.assign(self._power_1 * _BETA_1)
        self._power_2.assign(self._power_2 * _BETA_2)


def _slot(variable: tf.Variable) -> tf.Variable:
    return tf.Variable(tf.zeros_like(variable), trainable=False)
