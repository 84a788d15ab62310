"""Random architectures and data, for hypothesis to draw from."""

import itertools
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Problem(NamedTuple):
    """A network, its weights, and data."""

    layer_sizes: tuple[int, ...]
    activation: str
    w: Array
    X: Array
    y: Array
    s: Array


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to three hidden layers, three outputs and twelve rows."""
    hidden = draw(st.lists(st.integers(1, 6), max_size=3))
    layer_sizes = (draw(st.integers(1, 5)), *hidden, draw(st.integers(1, 3)))
    activation = draw(st.sampled_from(["sigmoid", "tanh", "relu", "softplus", "identity"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows = draw(st.integers(1, 12))
    n_weights = sum((a + 1) * b for a, b in itertools.pairwise(layer_sizes))
    return Problem(
        layer_sizes,
        activation,
        rng.normal(size=n_weights),
        rng.normal(size=(n_rows, layer_sizes[0])),
        rng.normal(size=(n_rows, layer_sizes[-1])),
        rng.uniform(0.1, 3, size=n_rows),
    )
