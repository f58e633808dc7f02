import keras
import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from ml.training.optimizer import FusedAdam, scheduled_rate


def test_fused_adam_takes_the_same_steps_as_keras():
    start = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    ours, theirs = keras.Variable(start), keras.Variable(start)
    fused, reference = FusedAdam([ours]), keras.optimizers.Adam(0.01)
    for step in range(5):
        gradient = tf.constant(np.random.default_rng(step).normal(size=(4, 3)), tf.float32)
        fused.apply([gradient], tf.constant(0.01))
        reference.apply([gradient], [theirs])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-6)


@given(st.integers(1, 1000), st.floats(1e-5, 1))
def test_the_rate_rises_to_its_peak_and_then_falls(steps, peak):
    rates = [scheduled_rate(step, steps, peak) for step in range(steps)]
    top = int(np.argmax(rates))
    assert all(0 <= rate <= peak * 1.0001 for rate in rates)
    assert np.isclose(rates[top], peak)
    assert np.all(np.diff(rates[: top + 1]) >= 0)
    assert np.all(np.diff(rates[top:]) <= 1e-12)
