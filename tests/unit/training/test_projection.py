import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.training.projection import fit_projection


def blocks(rows: int, widths: list[int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=(rows, width)) * 10.0**scale).astype(np.float32)
        for scale, width in enumerate(widths)
    ]


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(8, 120), widths=st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_components_are_white_on_the_rows_they_were_fitted_on(rows, widths):
    parts = blocks(rows, widths)
    projection = fit_projection(parts, 16)
    embedding = projection.apply(np.concatenate(parts, axis=1)).astype(float)
    assert embedding.shape[1] <= min(16, rows // 4, sum(widths))
    covariance = embedding.T @ embedding / rows
    np.testing.assert_allclose(embedding.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(covariance, np.eye(len(covariance)), atol=1e-2)


def test_no_member_drowns_another_by_the_scale_of_its_features():
    small, large = blocks(200, [10, 10])
    plain = fit_projection([small, large], 4)
    scaled = fit_projection([small, large * 1000], 4)
    share = np.abs(plain.components[:10]).sum() / np.abs(scaled.components[:10]).sum()
    assert np.isclose(share, 1, atol=1e-2)


def test_constant_features_give_a_finite_projection():
    projection = fit_projection([np.ones((40, 5), np.float32)], 16)
    assert np.isfinite(projection.components).all()
    assert projection.components.shape == (5, 1)
