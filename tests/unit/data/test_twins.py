import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse import csgraph

from ml.data.appearance import DESCRIPTOR_BYTES, Descriptors, appearance, mirrored
from ml.data.phantoms import SCANNERS, render_phantom
from ml.data.twins import twin_pairs


def _descriptors(count: int, seed: int = 0) -> Descriptors:
    rng = np.random.default_rng(seed)
    return rng.integers(-120, 121, (count, DESCRIPTOR_BYTES), dtype=np.int8)


def _near(descriptors: Descriptors, similarity: float, seed: int) -> Descriptors:
    """One more of the given similarity for each, but for rounding."""
    values = descriptors.astype(float)
    noise = np.random.default_rng(seed).normal(size=values.shape)
    along = (noise * values).sum(axis=1) / (values * values).sum(axis=1)
    noise -= along[:, np.newaxis] * values
    noise *= np.linalg.norm(values, axis=1, keepdims=True) / np.linalg.norm(
        noise, axis=1, keepdims=True
    )
    mixed = similarity * values + np.sqrt(1 - similarity**2) * noise
    return np.rint(mixed / np.abs(mixed).max(axis=1, keepdims=True) * 127).astype(np.int8)


@pytest.mark.parametrize(
    ("similarity", "share"), [(0.91, 0.88), (0.93, 0.97), (0.95, 0.995), (0.99, 1.0)]
)
@pytest.mark.parametrize("flip", [False, True])
def test_twins_are_found_with_the_probability_that_the_search_promises(
    similarity: float, share: float, flip: bool
) -> None:
    originals = _descriptors(1000)
    twins = _near(originals, similarity, seed=1)
    both = np.concatenate([originals, mirrored(twins) if flip else twins])
    pairs = twin_pairs(both, 0.9)
    assert len(pairs) >= share * 1000
    np.testing.assert_array_equal(pairs[:, 1], pairs[:, 0] + 1000)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), others=st.integers(0, 200))
def test_a_pair_is_found_whatever_other_images_there_are(seed: int, others: int) -> None:
    one = _descriptors(1, seed)
    pair = np.concatenate([one, _near(one, 0.92, seed)])
    alone = twin_pairs(pair, 0.9)
    among = twin_pairs(np.concatenate([pair, _descriptors(others, seed + 1)]), 0.9)
    np.testing.assert_array_equal(among, alone)


def test_equal_descriptors_are_linked_to_the_first_and_blank_ones_to_none() -> None:
    same = np.repeat(_descriptors(1), 3, axis=0)
    blank = np.zeros((2, DESCRIPTOR_BYTES), np.int8)
    pairs = twin_pairs(np.concatenate([same, blank]), 0.9)
    assert sorted(map(tuple, pairs.tolist())) == [(0, 1), (0, 2)]
    assert twin_pairs(blank[:0], 0.9).shape == (0, 2)


@pytest.mark.parametrize("similarity", [0.91, 0.95, 0.999])
def test_thousands_of_look_alikes_are_one_group_of_few_pairs(similarity: float) -> None:
    # Any two that are this similar to the first are about so squared to each other.
    crowd = _near(np.repeat(_descriptors(1), 3000, axis=0), similarity**0.5, seed=5)
    everyone = np.concatenate([crowd, _descriptors(300, seed=9), _near(crowd[:1], 0.95, seed=2)])
    tracemalloc.start()
    pairs = twin_pairs(everyone, 0.9)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    groups = _components(len(everyone), pairs)
    assert (np.append(groups[:3000], groups[-1]) == groups[0]).all()
    assert len(set(groups)) == 301
    assert len(pairs) < 64 * 3000
    assert peak < 300 * 2**20


def _components(count: int, pairs: np.ndarray) -> np.ndarray:
    graph = sparse.coo_array((np.ones(len(pairs)), pairs.T), shape=(count, count))
    return csgraph.connected_components(graph, directed=False)[1]


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("margin", [0.03, 0.04])
def test_pictures_without_their_margin_are_twins(margin: float, mirror: bool) -> None:
    whole = [render_phantom("benign", np.random.default_rng(n), SCANNERS[0]) for n in range(40)]
    cut = []
    for pixels in whole:
        top, left = (round(margin * side) for side in pixels.shape)
        inner = pixels[top:-top, left:-left]
        cut.append(np.ascontiguousarray(inner[:, ::-1]) if mirror else inner)
    looks = b"".join(appearance(pixels).descriptor for pixels in [*whole, *cut])
    pairs = twin_pairs(np.frombuffer(looks, np.int8).reshape(80, -1), 0.9)
    np.testing.assert_array_equal(pairs[:, 1], pairs[:, 0] + 40)
    assert len(pairs) >= 0.8 * 40


def test_different_images_are_no_twins() -> None:
    images = [
        render_phantom("benign", np.random.default_rng(seed), SCANNERS[0]) for seed in range(60)
    ]
    looks = b"".join(appearance(pixels).descriptor for pixels in images)
    found = twin_pairs(np.frombuffer(looks, np.int8).reshape(60, -1), 0.9)
    assert len(found) == 0
