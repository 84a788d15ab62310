"""The floor of a network's work: its matrix products and exponentials, and nothing else.

Whatever is written in NumPy makes these products and takes these exponentials, in arrays of
these shapes. What is more, biases, slopes, errors, updates, calls, is what a ratio to it shows.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg.lapack import dpotrf


class Floor:
    """The products and exponentials of a network over blocks of rows.

    Parameters
    ----------
    sizes : sequence of int
        Number of inputs, of units in each hidden layer, and of outputs.
    n_rows : int
        Rows of a block.
    dtype : dtype
    """

    def __init__(self, sizes: Sequence[int], n_rows: int, dtype: DTypeLike) -> None:
        rng = np.random.default_rng(0)

        def normal(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape).astype(dtype)

        pairs = list(pairwise(sizes))
        self.W = [normal(n_in + 1, n_out) for n_in, n_out in pairs]
        self.a = [normal(n_in + 1, n_rows) for n_in, _ in pairs]
        self.z = [normal(n_out, n_rows) for _, n_out in pairs]
        self.out = [np.empty_like(z) for z in self.z]
        self.gradient = [np.empty_like(W) for W in self.W]
        self.delta = [np.empty((n_in, n_rows), dtype) for n_in, _ in pairs]

    def forward(self) -> None:
        """A forward pass."""
        for i, W in enumerate(self.W):
            np.matmul(W.T, self.a[i], out=self.out[i])
            if i < len(self.W) - 1:
                np.exp(self.z[i], out=self.out[i])

    def gradient_step(self) -> None:
        """A forward pass, and the products of a backward pass."""
        self.forward()
        for i in reversed(range(len(self.W))):
            np.matmul(self.a[i], self.z[i].T, out=self.gradient[i])
            if i:
                np.matmul(self.W[i][1:], self.z[i], out=self.delta[i])


def gauss_newton_floor(n_rows: int, n_parameters: int) -> Callable[[], object]:
    """The product of the Jacobian with itself, and one Cholesky factorization."""
    J = np.random.default_rng(0).standard_normal((n_rows, n_parameters))
    A = J.T @ J + np.eye(n_parameters)

    def run() -> None:
        np.matmul(J.T, J)  # of which NumPy makes one triangle and copies it
        dpotrf(A, lower=1)

    return run
