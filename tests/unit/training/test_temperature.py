import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.training.temperature import calibrate, fit_temperature


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 5))
def test_temperature_undoes_over_and_under_confidence(sharpness):
    rng = np.random.default_rng(4)
    honest = rng.dirichlet([1, 1, 1], size=4000)
    labels = (rng.random(4000)[:, np.newaxis] > honest.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    temperature = fit_temperature(calibrate(honest, 1 / sharpness), labels)
    assert np.isclose(temperature, sharpness, rtol=0.15)
