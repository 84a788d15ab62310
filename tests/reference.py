"""Textbook arithmetic to hold the package against: slow, plain, and its own.

The functions here accept complex weights, so that a derivative is had by a complex step:
f'(w) = Im f(w + ih) / h, exact to rounding for h = 1e-30.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

VALUE: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.where(z.real > 0, z, 0),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "identity": lambda z: z,
}


def split(w: Array, layer_sizes: tuple[int, ...]) -> list[Array]:
    """The flat vector as one matrix a layer, bias row first."""
    layers, start = [], 0
    for n_in, n_out in itertools.pairwise(layer_sizes):
        layers.append(w[start : start + (n_in + 1) * n_out].reshape(n_in + 1, n_out))
        start += (n_in + 1) * n_out
    assert start == len(w)
    return layers


def predict(w: Array, X: Array, layer_sizes: tuple[int, ...], activation: str) -> Array:
    """Predictions of shape (n_rows, n_outputs): x W + b, activate, layer by layer."""
    *hidden, last = split(w, layer_sizes)
    a = X
    for W in hidden:
        a = VALUE[activation](a @ W[1:] + W[0])
    return a @ last[1:] + last[0]


def loss(
    w: Array,
    X: Array,
    y: Array,
    s: Array,
    alpha: float,
    layer_sizes: tuple[int, ...],
    activation: str,
) -> np.number:
    """1/(2 Σs) Σ s ‖ŷ - y‖² + alpha/(2 Σs) ‖coefs‖²."""
    e = predict(w, X, layer_sizes, activation) - y
    coefs = np.concatenate([W[1:].ravel() for W in split(w, layer_sizes)])
    return ((s[:, None] * e**2).sum() + alpha * (coefs**2).sum()) / (2 * s.sum())


def complex_step(f: Callable[[Array], Array | np.number], w: Array, h: float = 1e-30) -> Array:
    """The derivative of f by each component of w, on a new last axis."""
    columns = []
    for i in range(len(w)):
        step = np.zeros(len(w), complex)
        step[i] = 1j * h
        columns.append(np.imag(f(w + step)) / h)
    return np.stack(columns, axis=-1)
