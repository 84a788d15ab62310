"""What weights that fit all rows are between the rows.

Weights without a penalty can fit all rows and be anything between them. A steep sigmoid has its
step between two rows, and no row says where. Two of them can make a spike there that no row has
seen.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

from .._typing import FloatArray, IntArray
from ..network import Workspace
from ..objective import NetworkKernel, Objective
from ..rows import Block, Sums, Work

MOST_ROWS = 1_000
"""On the way from so many rows to their neighbours the function is looked at. """

NEAREST = 7
"""They have so many neighbours, with themselves, enough to have some on each side."""

PARTS = (0.25, 0.5, 0.75)
"""The parts of the way at which it is looked at."""

LEAST_UNIT = 1e-7
"""A hidden unit has no part in the output if all its weights to the next layer are smaller. Weights
to the output are in deviations of y."""


def is_tame(objective: Objective, w: FloatArray) -> bool:
    """Whether the function stays near the range of the targets between neighbouring rows.

    It may leave the range by its own width. With many rows, only some are looked at.
    """
    network, rows = objective.network, objective.rows
    n_some = min(rows.n_rows, MOST_ROWS)
    block = rows.take(np.linspace(0, rows.n_rows - 1, n_some).astype(np.intp)).whole()
    X, y = block.inputs.T, block.targets
    nearest = NearestNeighbors(n_neighbors=min(NEAREST, n_some)).fit(X)
    ways = X[nearest.kneighbors(return_distance=False).T] - X
    between = np.vstack([X, *(X + part * way for way in ways for part in PARTS)])
    workspace = Workspace(network.layer_sizes, len(between), rows.dtype)
    z = network.pass_over(w, np.ascontiguousarray(between.T), workspace)
    low, high = y.min(axis=1, keepdims=True), y.max(axis=1, keepdims=True)
    return bool((np.abs(2 * z - low - high) <= 3 * (high - low)).all())


def bends_where_rows_are(objective: Objective, w: FloatArray) -> bool:
    """Whether all hidden units that have a part in the output are seen at work.

    The rows that see a unit are (Σ s²)² / Σ s⁴ in number, where s is the derivative of the output
    by the unit's bias. They must be more than its weights.
    """
    network = objective.network
    *hidden, last = network.layers(w)
    numbers = network.layers(np.arange(network.n_parameters, dtype=np.float64))
    positions = np.concatenate([layer[0] for layer in numbers[:-1]]).astype(np.intp)
    squares, fourths = objective.rows.sum(BiasSlopes(network, w, positions))
    outgoing = np.concatenate([np.abs(W[1:]).max(axis=1) for W in (*hidden[1:], last)])
    n_weights = np.repeat([len(W) for W in hidden], [W.shape[1] for W in hidden])
    seen = squares**2 > n_weights * fourths
    return bool((seen | (outgoing < LEAST_UNIT)).all())


@dataclass(frozen=True, eq=False)
class BiasSlopes(NetworkKernel):
    """Σ s² and Σ s⁴ over rows and outputs, where s is the derivative by each hidden bias."""

    positions: IntArray

    @property
    def floats_per_row(self) -> int:
        """A forward and a backward pass, and a row of the Jacobian."""
        return self.jacobian_floats_per_row

    def __call__(self, block: Block, work: Work) -> Sums:
        """The terms of a block."""
        J, _ = self.jacobian(block, work)
        squares = J[:, self.positions] ** 2
        return Sums(squares.sum(axis=(0, 2)), (squares**2).sum(axis=(0, 2)))
